package activities

import (
	"context"
	"time"

	"github.com/recflow/recflow/internal/postgres/versions"
)

// keepRefused is how many refused versions are kept for inspection.
const keepRefused = 3

// keepReady is how many versions that were not promoted are kept: without promotion, a
// schedule adds one a day.
const keepReady = 3

// PruneResult is what was deleted.
type PruneResult struct {
	Dropped  []int64 `json:"dropped,omitempty"`  // versions
	Events   int64   `json:"events,omitempty"`   // streamed events that every version covers
	Verdicts int64   `json:"verdicts,omitempty"` // verdicts of streamed events
}

// Prune drops versions that are no longer needed: not live, not the previous
// live version, not pinned, not among the newest that are ready or refused, and not in a
// reader's cache.
// It also deletes streamed events that every version covers, and verdicts, once
// the stream cannot deliver their events again, readers that have ended, and old audit
// entries. It is idempotent.
func (a *Activities) Prune(ctx context.Context) (out PruneResult, err error) {
	out.Dropped, err = a.Versions.Prune(ctx, versions.PruneOptions{KeepRefused: keepRefused, KeepReady: keepReady, ReaderTTL: a.ReaderTTL})
	if err != nil {
		return out, err
	}
	if err := a.Versions.DropReaders(ctx); err != nil {
		return out, err
	}
	old := time.Now().Add(-a.EventRetention)
	if out.Events, err = a.Events.DropCoveredEvents(ctx, old); err != nil {
		return out, err
	}
	if out.Verdicts, err = a.Events.DropVerdicts(ctx, old); err != nil {
		return out, err
	}
	return out, a.Ledger.DropAudit(ctx)
}
