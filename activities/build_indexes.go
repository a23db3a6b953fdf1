package activities

import (
	"context"
	"fmt"

	"github.com/recflow/recflow/internal/postgres/versions"
)

// BuildIndexesInput names the version.
type BuildIndexesInput struct {
	Version int64 `json:"version"`
}

// BuildIndexes vacuums and indexes a loaded version. It resumes: an attempt
// skips what an earlier one finished, and a fenced one stops without writing.
// It heartbeats the index under construction and how far it is.
func (a *Activities) BuildIndexes(ctx context.Context, in BuildIndexesInput) error {
	beat := a.report(ctx)
	defer beat.stop()
	claim, err := a.Versions.Claim(ctx, in.Version, "indexes")
	if err != nil || claim.Done {
		return a.fenced(ctx, in.Version, err)
	}
	err = a.Versions.BuildIndexes(ctx, claim, func(p versions.IndexProgress) {
		note := Note{Detail: p.Step, Percent: p.Percent}
		if p.Percent > 0 {
			note.Detail = fmt.Sprintf("%s %.0f %%", p.Step, p.Percent)
		}
		beat.set(note)
	})
	return a.fenced(ctx, in.Version, err)
}
