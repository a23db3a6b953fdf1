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

// BuildIndexes vacuums and indexes a loaded version. A retry skips what an
// earlier attempt finished; a fenced attempt stops without writing. It
// heartbeats the index that is being built and its progress.
func (a *Activities) BuildIndexes(ctx context.Context, in BuildIndexesInput) error {
	beat := a.report(ctx)
	defer beat.stop()
	claim, err := a.Versions.Claim(ctx, in.Version, versions.IndexSlot)
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
