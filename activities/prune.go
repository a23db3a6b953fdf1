package activities

import (
	"context"

	"github.com/recflow/recflow/internal/vectorstore"
)

// keepRefused is how many refused versions stay inspectable.
const keepRefused = 3

// PruneResult says which versions went.
type PruneResult struct {
	Dropped []int64 `json:"dropped,omitempty"`
}

// Prune drops versions that nobody can need any more: not live, not the one
// before, not pinned, not lately refused, and not within a reader's cache.
// Running it twice finds less to do.
func (a *Activities) Prune(ctx context.Context) (PruneResult, error) {
	dropped, err := a.Store.Prune(ctx, vectorstore.PruneOptions{KeepRefused: keepRefused, ReaderTTL: a.ReaderTTL})
	return PruneResult{Dropped: dropped}, err
}
