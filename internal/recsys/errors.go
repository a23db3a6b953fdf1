package recsys

import "errors"

// Sentinels that are used across packages. The edges translate them: a workflow
// into a non-retryable error type, the command line into an exit code.
var (
	// ErrNotFound means that a user, an item, a version or a run does not
	// exist.
	ErrNotFound = errors.New("not found")

	// ErrNoLiveVersion means that no version has been promoted yet.
	ErrNoLiveVersion = errors.New("no version is live")

	// ErrVersionGone means that a version was dropped after it was resolved.
	// Resolve the live version again, once.
	ErrVersionGone = errors.New("the version has been dropped")

	// ErrNotInMemory means that a process that searches in memory only has not loaded
	// the items of the version, or cannot hold them.
	ErrNotInMemory = errors.New("the items are not in memory")

	// ErrConflict means that a compare-and-set lost against another change.
	ErrConflict = errors.New("concurrent change")

	// ErrFenced means that a newer attempt has replaced this one, which must
	// stop without writing anything.
	ErrFenced = errors.New("replaced by a newer attempt")

	// ErrManifestInvalid means that a manifest, or a file that it names, is
	// invalid. It is not retryable.
	ErrManifestInvalid = errors.New("manifest invalid")

	// ErrGateRefused means that a version failed one of its gates.
	ErrGateRefused = errors.New("gate refused")

	// ErrDataInvalid means that the events are not valid training data, or that a file of
	// user ids is invalid.
	ErrDataInvalid = errors.New("data invalid")
)
