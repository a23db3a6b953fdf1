package activities

import (
	"context"

	"github.com/recflow/recflow/internal/postgres/versions"
)

// PromoteInput asks for a version to go live.
type PromoteInput struct {
	Version    int64  `json:"version"`
	IfRevision int64  `json:"if_revision"` // what the live pointer was when the gates were computed
	Actor      string `json:"actor"`
	Reason     string `json:"reason"`
}

// PromoteResult is the new live pointer.
type PromoteResult struct {
	Revision int64 `json:"revision"`
}

// Promote moves the live pointer by compare-and-set: the gates compared the
// version with what was live then, so it must still be live now. A version that
// is live already, by an attempt whose answer was lost, is fine.
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
