package activities

import (
	"context"

	"github.com/recflow/recflow/internal/rawdata"
)

// PlanSlicesInput names the ranges of trainings, in order of their ends.
type PlanSlicesInput struct {
	Ranges []rawdata.Range `json:"ranges"`
}

// PlanSlicesResult says of each range what its training would read.
type PlanSlicesResult struct {
	Slices         []SliceSize    `json:"slices"`
	Unreadable     []rawdata.File `json:"unreadable,omitempty"`      // of all ranges, at most rawdata.MaxNamed
	UnreadableMore int            `json:"unreadable_more,omitempty"` // how many beyond those
}

// SliceSize is what a training would read, and how long it may take.
type SliceSize struct {
	rawdata.Size
	Minutes float64 `json:"minutes,omitempty"` // 0: nothing like it ran before
}

// pastRuns is how many versions an estimate is made from.
const pastRuns = 50

// PlanSlices looks at the objects that trainings on the ranges would read. It
// changes nothing.
func (a *Activities) PlanSlices(ctx context.Context, in PlanSlicesInput) (PlanSlicesResult, error) {
	plan, err := rawdata.Measure(ctx, a.S3, in.Ranges)
	if err != nil {
		return PlanSlicesResult{}, err
	}
	versions, err := a.Ledger.PastRuns(ctx, pastRuns)
	if err != nil {
		return PlanSlicesResult{}, err
	}
	var past []rawdata.PastRun
	for _, v := range versions {
		// The margin before a refresh's start is not a part of its work.
		past = append(past, rawdata.PastRun{Rows: v.Rows, Minutes: (v.ReadyAt.Sub(v.StoredTo) - a.StoredMargin).Minutes()})
	}
	out := PlanSlicesResult{Unreadable: plan.Unreadable, UnreadableMore: plan.UnreadableMore}
	for _, s := range plan.Sizes {
		out.Slices = append(out.Slices, SliceSize{Size: s, Minutes: rawdata.Estimate(past, s.Rows)})
	}
	return out, nil
}
