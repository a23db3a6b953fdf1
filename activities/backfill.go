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
	Limit int    `json:"limit"` // maximum number of windows to return
}

// BackfillWindow is the state of a window to record in the ledger.
type BackfillWindow struct {
	ID     string          `json:"id"`
	Kind   string          `json:"kind"`
	Window backfill.Window `json:"window"`
}

// EndBackfillInput is the result of a round.
type EndBackfillInput struct {
	ID      string `json:"id"`
	Round   int    `json:"round"`
	Failure string `json:"failure,omitempty"` // error of the workflow itself
}

// StartBackfill records that a round is running and returns the backfill with
// the first pending windows. It returns only the fields that are needed to run
// them, because a history has no room for thousands of windows. It is
// idempotent.
func (a *Activities) StartBackfill(ctx context.Context, in BackfillRound) (backfill.Backfill, error) {
	b, err := a.Ledger.StartBackfill(ctx, in.ID, in.Round, activity.GetInfo(ctx).WorkflowExecution.RunID)
	var next []backfill.Window
	for _, s := range b.Windows {
		if s.State == backfill.Pending && len(next) < in.Limit {
			next = append(next, backfill.Window{Index: s.Index, From: s.From, To: s.To, State: s.State, Attempt: s.Attempt})
		}
	}
	b.Windows = next
	return b, err
}

// StartWindowResult is the state of a window in the ledger.
type StartWindowResult struct {
	State string `json:"state"` // running, or the final state of the window if it had ended before
}

// StartWindow records that an attempt of a window has started or, if no object in
// the bucket can contain events of the range of a training, that the window is
// skipped. It is idempotent.
func (a *Activities) StartWindow(ctx context.Context, in BackfillWindow) (out StartWindowResult, err error) {
	if in.Kind == backfill.Lists {
		out.State, err = a.Ledger.StartWindow(ctx, in.ID, in.Window)
		return out, err
	}
	empty, err := rawdata.Empty(ctx, a.S3, rawdata.Range{From: in.Window.From, To: in.Window.To})
	if err != nil {
		if ctx.Err() != nil || awsclient.Retryable(err) {
			return out, err
		}
		// The training reports what is wrong with the bucket.
		activity.GetLogger(ctx).Warn("failed to look for events of a window", "backfill", in.ID, "window", in.Window.Index, "error", err)
	}
	if err == nil && empty {
		out.State, err = a.Ledger.SkipWindow(ctx, in.ID, in.Window.Index, backfill.NoEvents)
		return out, err
	}
	out.State, err = a.Ledger.StartWindow(ctx, in.ID, in.Window)
	return out, err
}

// EndWindow records the outcome of an attempt of a window and, of a training, the
// coverage and metrics of its version, even if gates refused the version. It is
// idempotent.
func (a *Activities) EndWindow(ctx context.Context, in BackfillWindow) error {
	s := in.Window
	if in.Kind == backfill.Lists {
		if s.Lists != nil {
			s.Rows = s.Lists.Lists
		}
		return a.Ledger.EndWindow(ctx, in.ID, s)
	}
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
	return a.Ledger.EndWindow(ctx, in.ID, s)
}

// EndBackfill records the end of a round, and returns the backfill without its
// windows. It is idempotent.
func (a *Activities) EndBackfill(ctx context.Context, in EndBackfillInput) (backfill.Backfill, error) {
	b, err := a.Ledger.EndBackfill(ctx, in.ID, in.Round, in.Failure)
	b.Windows = nil
	return b, err
}
