package activities

import (
	"context"

	"github.com/recflow/recflow/internal/postgres/versions"
)

// PromoteInput names the version to promote.
type PromoteInput struct {
	Version    int64  `json:"version"`
	IfRevision int64  `json:"if_revision"` // revision of the live pointer when the gates were computed
	Actor      string `json:"actor"`
	Reason     string `json:"reason"`
}

// PromoteResult is the new live pointer.
type PromoteResult struct {
	Revision int64 `json:"revision"`
}

// Promote moves the live pointer by compare-and-set: the version that the gates
// compared with must still be live. It is idempotent: promoting the live
// version again succeeds.
func (a *Activities) Promote(ctx context.Context, in PromoteInput) (PromoteResult, error) {
	live, err := a.Versions.Promote(ctx, versions.Promotion{
		Version:    in.Version,
		IfRevision: &in.IfRevision,
		Actor:      in.Actor,
		Reason:     in.Reason,
	})
	if err != nil {
		return PromoteResult{}, err
	}
	return PromoteResult{Revision: live.Revision}, nil
}
