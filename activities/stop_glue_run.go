package activities

import (
	"context"
	"errors"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// StopGlueRunInput names the run by our id: Glue's id is unknown if the
// response to its start was lost.
type StopGlueRunInput struct {
	RunID string `json:"run_id"`
}

// StopGlueRunResult is the run that was stopped.
type StopGlueRunResult struct {
	GlueRunID string `json:"glue_run_id,omitempty"` // empty: no run
}

// StopGlueRun stops the training and waits until it has stopped. It is
// idempotent: a run that has ended or never started is not an error.
func (a *Activities) StopGlueRun(ctx context.Context, in StopGlueRunInput) (StopGlueRunResult, error) {
	beat := a.report(ctx)
	defer beat.stop()
	run, err := a.Glue.FindRun(ctx, in.RunID)
	if errors.Is(err, recsys.ErrNotFound) {
		return StopGlueRunResult{}, nil
	}
	if err != nil {
		return StopGlueRunResult{}, err
	}
	result := StopGlueRunResult{GlueRunID: run.ID}
	if run.State.Over() {
		return result, nil
	}
	if err := a.Glue.Stop(ctx, run.ID); err != nil {
		return result, err
	}
	ticker := time.NewTicker(a.PollEvery)
	defer ticker.Stop()
	for {
		run, err := a.Glue.Get(ctx, run.ID)
		if err != nil || run.State.Over() {
			return result, err
		}
		select {
		case <-ctx.Done():
			return result, ctx.Err()
		case <-ticker.C:
		}
	}
}
