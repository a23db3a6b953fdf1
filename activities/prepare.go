package activities

import (
	"context"
	"errors"

	"github.com/recflow/recflow/internal/recsys"
)

// PrepareResult is the state of the system at the start of a refresh.
type PrepareResult struct {
	// LiveRevision is the revision of the live pointer, 0 if no version is
	// live.
	LiveRevision int64 `json:"live_revision"`
	// LoadParallel is how many files the workflow may load in parallel.
	LoadParallel int `json:"load_parallel"`
	// CleanedUp is what was left by terminated runs.
	CleanedUp CleanUpResult `json:"cleaned_up"`
}

// Prepare cleans up after terminated runs and reads the state that the workflow
// needs from before the training. It is idempotent.
func (a *Activities) Prepare(ctx context.Context) (PrepareResult, error) {
	cleaned, err := a.CleanUp(ctx)
	if err != nil {
		return PrepareResult{}, err
	}
	live, err := a.Versions.Live(ctx)
	if err != nil && !errors.Is(err, recsys.ErrNoLiveVersion) {
		return PrepareResult{}, err
	}
	return PrepareResult{LiveRevision: live.Revision, LoadParallel: a.LoadParallel, CleanedUp: cleaned}, nil
}
