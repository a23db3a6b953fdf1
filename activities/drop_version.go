package activities

import (
	"context"
	"errors"

	"github.com/recflow/recflow/internal/recsys"
)

// DropVersionInput names the version by its run: when the answer to its
// creation was lost, its number is not known.
type DropVersionInput struct {
	RunID  string `json:"run_id"`
	Reason string `json:"reason"`
}

// DropVersionResult says what there was to drop.
type DropVersionResult struct {
	Version int64 `json:"version,omitempty"` // 0: nothing
}

// DropVersion drops a version that is still loading. One that is ready, refused
// or live is left as it is, and so running it twice does nothing.
func (a *Activities) DropVersion(ctx context.Context, in DropVersionInput) (DropVersionResult, error) {
	v, err := a.Versions.VersionByRun(ctx, in.RunID)
	if errors.Is(err, recsys.ErrNotFound) {
		return DropVersionResult{}, nil
	}
	if err != nil {
		return DropVersionResult{}, err
	}
	// A failed version may still have its data: an earlier attempt gave up waiting
	// for a writer to let go of it.
	if v.State != recsys.Loading && v.State != recsys.Failed {
		return DropVersionResult{}, nil
	}
	return DropVersionResult{Version: v.ID}, a.Versions.Fail(ctx, v.ID, in.Reason)
}
