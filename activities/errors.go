package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/recflow/recflow/internal/recsys"
)

// Types of errors that no retry can fix. Workflows and operators match on them.
const (
	ManifestInvalid     = "ManifestInvalid"     // a manifest, or a file that it names, is invalid
	GateRefused         = "GateRefused"         // a gate refuses the version
	GlueFailed          = "GlueFailed"          // the training failed, or cannot be started
	SparkDied           = "SparkDied"           // the JVM of the training died; another training would die the same way
	DataInvalid         = "DataInvalid"         // the events are not valid training data
	Conflict            = "Conflict"            // a concurrent change, which the step must not overwrite
	VersionGone         = "VersionGone"         // the version was dropped during the step
	ListsNotWritten     = "ListsNotWritten"     // the bucket refuses the files of lists, for example because of missing permissions
	OutcomeNotPublished = "OutcomeNotPublished" // the topic refuses the message, for example because of missing permissions
)

// Types of errors that are retried and need a name.
const (
	glueBusy       = "GlueBusy"
	workerStopping = "WorkerStopping"
	workerBusy     = "WorkerBusy"
)

var permanent = []struct {
	sentinel error
	kind     string
}{
	{recsys.ErrManifestInvalid, ManifestInvalid},
	{recsys.ErrGateRefused, GateRefused},
	{recsys.ErrDataInvalid, DataInvalid},
	{recsys.ErrVersionGone, VersionGone},
	{recsys.ErrConflict, Conflict},
}

// errStopping is the cause of a context that was cancelled because the worker
// stops.
var errStopping = errors.New("the worker is stopping")

// translate gives an error its Temporal type. recsys.ErrFenced stays retryable:
// if the attempt was replaced, its result is ignored; if it lost to an older,
// slower attempt, it should claim again.
func translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(context.Cause(ctx), errStopping) {
		return stopping()
	}
	if ctx.Err() != nil {
		// The step was cancelled, so any error is a consequence. Not all
		// drivers return the context's error.
		return errors.Join(ctx.Err(), err)
	}
	if temporal.IsApplicationError(err) {
		return err
	}
	for _, p := range permanent {
		if errors.Is(err, p.sentinel) {
			return temporal.NewNonRetryableApplicationError(err.Error(), p.kind, nil)
		}
	}
	return err
}

// stopping returns an error that is retried at once, on another worker.
func stopping() error {
	return temporal.NewApplicationErrorWithOptions(errStopping.Error(), workerStopping,
		temporal.ApplicationErrorOptions{NextRetryDelay: time.Millisecond, Category: temporal.ApplicationErrorCategoryBenign})
}

// busyDelay is the time after which a step that found its worker busy is offered to
// all workers again.
const busyDelay = time.Second

// busy returns an error that is retried soon, on any worker.
func busy() error {
	return temporal.NewApplicationErrorWithOptions("the worker is busy with another search", workerBusy,
		temporal.ApplicationErrorOptions{NextRetryDelay: busyDelay, Category: temporal.ApplicationErrorCategoryBenign})
}

// final reports whether an error that was returned by translate ends the step, or is
// no failure.
func final(ctx context.Context, err error) bool {
	var app *temporal.ApplicationError
	return ctx.Err() != nil || errors.As(err, &app) && (app.NonRetryable() || app.Type() == workerStopping || app.Type() == workerBusy)
}
