package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

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

// prepareFor is how long a promotion waits for the processes that load the version
// into memory. A process that takes longer searches in Postgres until it has loaded it.
const prepareFor = 10 * time.Second

// Promote announces the version, so that the processes that search in memory load
// it, and moves the live pointer by compare-and-set: the version that the gates
// compared with must still be live. It is idempotent: announcing a version again
// changes nothing, and promoting the live version again succeeds.
func (a *Activities) Promote(ctx context.Context, in PromoteInput) (PromoteResult, error) {
	late, err := a.Versions.PrepareReaders(ctx, in.Version, prepareFor)
	if err != nil {
		return PromoteResult{}, err
	}
	if late > 0 {
		activity.GetLogger(ctx).Info("promoting a version that some processes have not loaded", "version", in.Version, "processes", late)
	}
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
