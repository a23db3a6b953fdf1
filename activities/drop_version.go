package activities

import (
	"context"
	"errors"

	"github.com/recflow/recflow/internal/recsys"
)

// DropVersionInput names the version by its run: the version number is unknown
// if the response to its creation was lost.
type DropVersionInput struct {
	RunID  string `json:"run_id"`
	Reason string `json:"reason"`
}

// DropVersionResult is what was dropped.
type DropVersionResult struct {
	Version int64 `json:"version,omitempty"` // 0: none
}

// DropVersion drops a version that is still loading. It leaves a version that
// is ready, refused or live, so it is idempotent.
func (a *Activities) DropVersion(ctx context.Context, in DropVersionInput) (DropVersionResult, error) {
	v, err := a.Versions.VersionByRun(ctx, in.RunID)
	if errors.Is(err, recsys.ErrNotFound) {
		return DropVersionResult{}, nil
	}
	if err != nil {
		return DropVersionResult{}, err
	}
	// A failed version may still have data, if an earlier attempt timed out
	// waiting for a lock.
	if v.State != recsys.Loading && v.State != recsys.Failed {
		return DropVersionResult{}, nil
	}
	return DropVersionResult{Version: v.ID}, a.Versions.Fail(ctx, v.ID, in.Reason)
}
