package activities

import (
	"context"

	"github.com/recflow/recflow/internal/recsys"
)

// BackfillRound names a round of a backfill.
type BackfillRound struct {
	ID    string `json:"id"`
	Round int    `json:"round"`
}

// BackfillSlice is a slice of a backfill, as the ledger should have it.
type BackfillSlice struct {
	ID    string       `json:"id"`
	Slice recsys.Slice `json:"slice"`
}

// EndBackfillInput says how a round ended.
type EndBackfillInput struct {
	ID      string `json:"id"`
	Round   int    `json:"round"`
	Failure string `json:"failure,omitempty"` // of the workflow itself
}

// StartBackfill notes that a round is at work and returns the ledger's backfill,
// without what slices that are over have measured. Repeating it changes nothing.
func (a *Activities) StartBackfill(ctx context.Context, in BackfillRound) (recsys.Backfill, error) {
	b, err := a.Store.StartBackfill(ctx, in.ID, in.Round)
	for i := range b.Slices {
		b.Slices[i].Metrics, b.Slices[i].Reason, b.Slices[i].Error = nil, "", ""
	}
	return b, err
}

// StartSlice notes that an attempt of a slice begins. Repeating it changes
// nothing.
func (a *Activities) StartSlice(ctx context.Context, in BackfillSlice) error {
	return a.Store.StartSlice(ctx, in.ID, in.Slice)
}

// EndSlice notes what became of an attempt of a slice, and of its version what it
// read and how good it is. Repeating it changes nothing.
func (a *Activities) EndSlice(ctx context.Context, in BackfillSlice) error {
	s := in.Slice
	if s.Version != 0 {
		m, err := a.Store.Manifest(ctx, s.Version)
		if err != nil {
			return err
		}
		s.Rows, s.Metrics = m.Input.Rows, &m.Metrics
	}
	return a.Store.EndSlice(ctx, in.ID, s)
}

// EndBackfill notes that a round is over, and returns the backfill without its
// slices. Repeating it changes nothing.
func (a *Activities) EndBackfill(ctx context.Context, in EndBackfillInput) (recsys.Backfill, error) {
	b, err := a.Store.EndBackfill(ctx, in.ID, in.Round, in.Failure)
	b.Slices = nil
	return b, err
}
