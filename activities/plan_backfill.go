package activities

import (
	"context"

	"github.com/recflow/recflow/internal/rawdata"
)

// PlanWindowsInput lists the ranges of trainings, ordered by end.
type PlanWindowsInput struct {
	Ranges []rawdata.Range `json:"ranges"`
}

// PlanWindowsResult is the size of the training on each range.
type PlanWindowsResult struct {
	Windows        []WindowSize   `json:"windows"`
	Unreadable     []rawdata.File `json:"unreadable,omitempty"`      // in all ranges, at most rawdata.MaxNamed
	UnreadableMore int            `json:"unreadable_more,omitempty"` // number of further unreadable files
}

// WindowSize is what a training would read, and its estimated duration.
type WindowSize struct {
	rawdata.Size
	Minutes float64 `json:"minutes,omitempty"` // 0: no comparable training is known
}

// pastRuns is the number of versions that an estimate is based on.
const pastRuns = 50

// PlanWindows estimates the sizes of trainings from the objects in the bucket.
// It only reads.
func (a *Activities) PlanWindows(ctx context.Context, in PlanWindowsInput) (PlanWindowsResult, error) {
	plan, err := rawdata.Measure(ctx, a.S3, in.Ranges)
	if err != nil {
		return PlanWindowsResult{}, err
	}
	versions, err := a.Ledger.PastRuns(ctx, pastRuns)
	if err != nil {
		return PlanWindowsResult{}, err
	}
	var past []rawdata.PastRun
	for _, v := range versions {
		// The margin before the start of a refresh is not part of its duration.
		past = append(past, rawdata.PastRun{Rows: v.Rows, Minutes: (v.ReadyAt.Sub(v.StoredTo) - a.StoredMargin).Minutes()})
	}
	out := PlanWindowsResult{Unreadable: plan.Unreadable, UnreadableMore: plan.UnreadableMore}
	for _, s := range plan.Sizes {
		out.Windows = append(out.Windows, WindowSize{Size: s, Minutes: rawdata.Estimate(past, s.Rows)})
	}
	return out, nil
}
