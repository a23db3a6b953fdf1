package activities

import (
	"context"
	"errors"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// StopGlueRunInput names the run by our id: when the answer to its start was
// lost, Glue's is not known.
type StopGlueRunInput struct {
	RunID string `json:"run_id"`
}

// StopGlueRunResult says what there was to stop.
type StopGlueRunResult struct {
	GlueRunID string `json:"glue_run_id,omitempty"` // empty: there was no run
}

// StopGlueRun stops the training and waits until it has stopped. A run that is
// over already, or never started, is fine.
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
