package recsys

import "errors"

// Sentinels that cross package borders. The edges translate them: a workflow
// into a non-retryable error type, the command line into an exit code.
var (
	// ErrNotFound says that a user, an item, a version or a run does not exist.
	ErrNotFound = errors.New("not found")

	// ErrNoLiveVersion says that no version has been promoted yet.
	ErrNoLiveVersion = errors.New("no version is live")

	// ErrVersionGone says that a version has been dropped since it was resolved.
	// Resolving the live version again helps, once.
	ErrVersionGone = errors.New("the version has been dropped")

	// ErrConflict says that a compare-and-set lost against another change.
	ErrConflict = errors.New("changed by someone else meanwhile")

	// ErrFenced says that a newer attempt has taken over the work of this one,
	// which must stop without writing anything.
	ErrFenced = errors.New("replaced by a newer attempt")

	// ErrManifestInvalid says that a manifest, or a file it names, is not what
	// it claims to be. Retrying cannot help.
	ErrManifestInvalid = errors.New("manifest invalid")

	// ErrGateRefused says that a version failed one of its gates.
	ErrGateRefused = errors.New("gate refused")

	// ErrDataInvalid says that the events cannot be trained on as they are.
	ErrDataInvalid = errors.New("data invalid")
)
