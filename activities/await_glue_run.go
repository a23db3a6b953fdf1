package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/recsys"
)

// AwaitGlueRunInput names the run.
type AwaitGlueRunInput struct {
	RunID     string `json:"run_id"`
	GlueRunID string `json:"glue_run_id"`
}

// AwaitGlueRunResult is the result of the run.
type AwaitGlueRunResult struct {
	Seconds int32 `json:"seconds"` // execution time as reported by Glue
}

// Prefixes of the error messages of failed runs: the job's exceptions
// (glue/recflow_glue/checks.py, failure.py).
const (
	dataInvalidPrefix = DataInvalid + ": "
	sparkDiedPrefix   = SparkDied + ": "
)

// errorCategory is what Glue writes before the exception of a script.
var errorCategory = regexp.MustCompile(`^Error Category: [A-Z_]+; (Failed Line Number: \d+; )?`)

// progressKey is the object that the job overwrites while it runs.
const (
	progressObject   = "_progress.json"
	maxProgressBytes = 64 << 10
)

// maxRefusedPolls is the number of polls in a row that Glue may refuse, for example
// because a permission is missing, before the training is given up: ten minutes with the
// default interval.
const maxRefusedPolls = 300

// AwaitGlueRun waits until the run has ended. It only reads, so it is
// idempotent. It heartbeats the state and, once the run is working, the
// progress that the run reports. When this worker stops it ends at once, so
// that another worker takes over.
func (a *Activities) AwaitGlueRun(ctx context.Context, in AwaitGlueRunInput) (AwaitGlueRunResult, error) {
	beat := a.report(ctx)
	defer beat.stop()
	ticker := time.NewTicker(a.PollEvery)
	defer ticker.Stop()
	for refused := 0; ; {
		run, err := a.Glue.Get(ctx, in.GlueRunID)
		switch {
		case err == nil && run.State.Succeeded():
			return AwaitGlueRunResult{Seconds: run.ExecutionSeconds}, nil
		case err == nil && run.State.Over():
			return AwaitGlueRunResult{}, glueFailure(run.ID, string(run.State), run.Message)
		case err == nil:
			refused = 0
			beat.set(a.trainingNote(ctx, in, string(run.State)))
		case errors.Is(err, recsys.ErrNotFound):
			return AwaitGlueRunResult{}, temporal.NewNonRetryableApplicationError(err.Error(), GlueFailed, nil)
		case ctx.Err() != nil || awsclient.Retryable(err):
			return AwaitGlueRunResult{}, err
		default:
			if refused++; refused == maxRefusedPolls {
				return AwaitGlueRunResult{}, temporal.NewNonRetryableApplicationError(
					fmt.Sprintf("Glue does not report run %s; correct the cause, for example the worker's role, and start again: %v", in.GlueRunID, err), GlueFailed, nil)
			}
			beat.set(Note{GlueRunID: in.GlueRunID, Detail: fmt.Sprintf("Glue does not report the run, poll %d of %d", refused, maxRefusedPolls)})
		}
		select {
		case <-ctx.Done():
			return AwaitGlueRunResult{}, ctx.Err()
		case <-activity.GetWorkerStopChannel(ctx):
			return AwaitGlueRunResult{}, stopping()
		case <-ticker.C:
		}
	}
}

// glueFailure returns the error of a failed run.
func glueFailure(id, state, message string) error {
	// Glue may write a category before the job's own message.
	if _, reason, ok := strings.Cut(message, dataInvalidPrefix); ok {
		return temporal.NewNonRetryableApplicationError(reason, DataInvalid, nil)
	}
	kind := GlueFailed
	if _, reason, ok := strings.Cut(message, sparkDiedPrefix); ok {
		kind, message = SparkDied, reason
	}
	message = errorCategory.ReplaceAllString(message, "")
	if message == "" {
		message = "Glue reported no reason"
	}
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf("Glue run %s ended as %s: %s", id, state, message), kind, nil)
}

// trainingNote returns the progress that the run reports, or else its state.
func (a *Activities) trainingNote(ctx context.Context, in AwaitGlueRunInput, state string) Note {
	note := Note{GlueRunID: in.GlueRunID, Detail: strings.ToLower(state)}
	data, err := a.S3.Get(ctx, recsys.RunPrefix(in.RunID)+progressObject, maxProgressBytes)
	if err != nil {
		return note // best effort: the run writes no progress until Spark is up
	}
	var p struct {
		Stage string `json:"stage"`
		Done  int    `json:"done"`
		Total int    `json:"total"`
	}
	if json.Unmarshal(data, &p) == nil && p.Stage != "" && len(p.Stage) < 100 {
		note.Detail, note.Done, note.Total = p.Stage, p.Done, p.Total
	}
	return note
}
