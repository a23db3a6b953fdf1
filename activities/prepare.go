package activities

import (
	"context"
	"errors"

	"github.com/recflow/recflow/internal/recsys"
)

// PrepareResult is how a refresh finds the system.
type PrepareResult struct {
	// LiveRevision is the revision of the live pointer, 0 when nothing is live.
	LiveRevision int64 `json:"live_revision"`
	// LoadParallel is how many files the workflow may have loaded at once.
	LoadParallel int `json:"load_parallel"`
	// CleanedUp is what terminated runs had left behind.
	CleanedUp CleanUpResult `json:"cleaned_up"`
}

// Prepare cleans up after runs that were terminated and reads what the workflow
// has to remember from before the training. Running it twice finds less to do.
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
