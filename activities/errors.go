package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/recflow/recflow/internal/recsys"
)

// Types of errors that no retry can help. Workflows and people match on them.
const (
	ManifestInvalid = "ManifestInvalid" // a manifest, or a file it names, is not what it claims to be
	GateRefused     = "GateRefused"     // a gate keeps the version from going live
	GlueFailed      = "GlueFailed"      // the training ended badly, or cannot be started
	SparkDied       = "SparkDied"       // the JVM of the training is gone; the same training would end the same way
	DataInvalid     = "DataInvalid"     // the events cannot be trained on as they are
	Conflict        = "Conflict"        // somebody else changed what the step was about to change
	VersionGone     = "VersionGone"     // the version was dropped under the step
	OutcomeUntold   = "OutcomeUntold"   // the topic does not take a message, for example for want of a permission
)

// Types of errors that are retried, but deserve a name.
const (
	glueBusy       = "GlueBusy"
	workerStopping = "WorkerStopping"
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

// errStopping is the cause of a context that ended because the worker stops.
var errStopping = errors.New("the worker is stopping")

// translate gives an error its Temporal type. recsys.ErrFenced is left to be
// retried: the attempt that was replaced has nobody listening any more, and the
// one that lost the race to an older, slower attempt does well to claim again.
func translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(context.Cause(ctx), errStopping) {
		return stopping()
	}
	if ctx.Err() != nil {
		// Whatever broke, it broke because the step was cancelled. The drivers do
		// not all say so.
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

// stopping asks for another attempt at once, which another worker will get.
func stopping() error {
	return temporal.NewApplicationErrorWithOptions(errStopping.Error(), workerStopping,
		temporal.ApplicationErrorOptions{NextRetryDelay: time.Millisecond, Category: temporal.ApplicationErrorCategoryBenign})
}

// final tells whether an error, as translate leaves it, ends the step.
func final(ctx context.Context, err error) bool {
	var app *temporal.ApplicationError
	return ctx.Err() != nil || errors.As(err, &app) && (app.NonRetryable() || app.Type() == workerStopping)
}
