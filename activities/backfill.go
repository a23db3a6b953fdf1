package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/rawdata"
	"github.com/recflow/recflow/internal/recsys"
)

// BackfillRound names a round of a backfill.
type BackfillRound struct {
	ID    string `json:"id"`
	Round int    `json:"round"`
	Most  int    `json:"most"` // maximum number of slices to return
}

// BackfillSlice is the state of a slice to record in the ledger.
type BackfillSlice struct {
	ID    string         `json:"id"`
	Slice backfill.Slice `json:"slice"`
}

// EndBackfillInput is the result of a round.
type EndBackfillInput struct {
	ID      string `json:"id"`
	Round   int    `json:"round"`
	Failure string `json:"failure,omitempty"` // error of the workflow itself
}

// StartBackfill records that a round is running and returns the backfill with
// the first pending slices. It returns only the fields that are needed to run
// them, because a history has no room for thousands of slices. It is
// idempotent.
func (a *Activities) StartBackfill(ctx context.Context, in BackfillRound) (backfill.Backfill, error) {
	b, err := a.Ledger.StartBackfill(ctx, in.ID, in.Round, activity.GetInfo(ctx).WorkflowExecution.RunID)
	var next []backfill.Slice
	for _, s := range b.Slices {
		if s.State == backfill.Pending && len(next) < in.Most {
			next = append(next, backfill.Slice{Index: s.Index, From: s.From, To: s.To, State: s.State, Attempt: s.Attempt})
		}
	}
	b.Slices = next
	return b, err
}

// StartSliceResult is the state of a slice in the ledger.
type StartSliceResult struct {
	State string `json:"state"` // running, or the final state of the slice if it had ended before
}

// StartSlice records that an attempt of a slice has started or, if no object in
// the bucket can contain events of its range, that the slice is skipped. It is
// idempotent.
func (a *Activities) StartSlice(ctx context.Context, in BackfillSlice) (out StartSliceResult, err error) {
	empty, err := rawdata.Empty(ctx, a.S3, rawdata.Range{From: in.Slice.From, To: in.Slice.To})
	if err != nil {
		if ctx.Err() != nil || awsclient.Retryable(err) {
			return out, err
		}
		// The training reports what is wrong with the bucket.
		activity.GetLogger(ctx).Warn("failed to look for events of a slice", "backfill", in.ID, "slice", in.Slice.Index, "error", err)
	}
	if err == nil && empty {
		out.State, err = a.Ledger.SkipSlice(ctx, in.ID, in.Slice.Index, backfill.NoEvents)
		return out, err
	}
	out.State, err = a.Ledger.StartSlice(ctx, in.ID, in.Slice)
	return out, err
}

// EndSlice records the outcome of an attempt of a slice and the coverage and
// metrics of its version, even if gates refused the version. It is idempotent.
func (a *Activities) EndSlice(ctx context.Context, in BackfillSlice) error {
	s := in.Slice
	if s.Version == 0 && s.RunID != "" {
		v, err := a.Versions.VersionByRun(ctx, s.RunID)
		switch {
		case err == nil && v.State == recsys.Refused:
			s.Version = v.ID
		case err != nil && !errors.Is(err, recsys.ErrNotFound):
			return err
		}
	}
	if s.Version != 0 {
		m, err := a.Versions.Manifest(ctx, s.Version)
		if err != nil {
			return err
		}
		s.Rows, s.Metrics = m.Input.Rows, &m.Metrics
	}
	return a.Ledger.EndSlice(ctx, in.ID, s)
}

// EndBackfill records the end of a round, and returns the backfill without its
// slices. It is idempotent.
func (a *Activities) EndBackfill(ctx context.Context, in EndBackfillInput) (backfill.Backfill, error) {
	b, err := a.Ledger.EndBackfill(ctx, in.ID, in.Round, in.Failure)
	b.Slices = nil
	return b, err
}
