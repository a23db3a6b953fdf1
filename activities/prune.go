package activities

import (
	"context"
	"time"

	"github.com/recflow/recflow/internal/postgres/versions"
)

// keepRefused is how many refused versions stay inspectable.
const keepRefused = 3

// PruneResult says what went.
type PruneResult struct {
	Dropped  []int64 `json:"dropped,omitempty"`  // versions
	Events   int64   `json:"events,omitempty"`   // of the stream, that every version covers
	Verdicts int64   `json:"verdicts,omitempty"` // of events of the stream
}

// Prune drops versions that nobody can need any more: not live, not the one
// before, not pinned, not lately refused, and not within a reader's cache. Of the
// stream it drops the events that every version covers, and the verdicts, once
// the stream cannot deliver them again. Running it twice finds less to do.
func (a *Activities) Prune(ctx context.Context) (out PruneResult, err error) {
	out.Dropped, err = a.Versions.Prune(ctx, versions.PruneOptions{KeepRefused: keepRefused, ReaderTTL: a.ReaderTTL})
	if err != nil {
		return out, err
	}
	old := time.Now().Add(-a.EventRetention)
	if out.Events, err = a.Events.DropCoveredEvents(ctx, old); err != nil {
		return out, err
	}
	out.Verdicts, err = a.Events.DropVerdicts(ctx, old)
	return out, err
}
