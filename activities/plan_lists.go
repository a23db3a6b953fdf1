package activities

import (
	"context"

	"github.com/recflow/recflow/internal/backfill"
)

// PlanListsInput describes the lists to estimate.
type PlanListsInput struct {
	Version  int64                 `json:"version"`
	Settings backfill.ListSettings `json:"settings"`
}

// PlanListsResult is the size of lists, and their estimated duration.
type PlanListsResult struct {
	Users   int64   `json:"users"`
	Bytes   int64   `json:"bytes"`             // estimated
	Minutes float64 `json:"minutes,omitempty"` // of the windows, one after the other; 0: no earlier lists are known
}

const (
	// pastListWindows is the number of windows that an estimate is based on.
	pastListWindows = 200

	// itemBytes is the size of an item of a list in a file if no earlier lists are
	// known.
	itemBytes = 11
)

// PlanLists counts the users of lists, and estimates the size and the duration from
// earlier lists. It only reads. An invalid file of users is recsys.ErrDataInvalid.
func (a *Activities) PlanLists(ctx context.Context, in PlanListsInput) (out PlanListsResult, err error) {
	v, err := a.readable(ctx, in.Version)
	if err != nil {
		return out, err
	}
	if in.Settings.Users == "" {
		out.Users, err = a.Embeddings.CountUsers(ctx, v)
	} else {
		var ids []string
		ids, err = a.readUsers(ctx, in.Settings.Users, backfill.WindowHashes(0, 1))
		out.Users = int64(len(ids))
	}
	if err != nil {
		return out, err
	}
	past, err := a.Ledger.PastLists(ctx, pastListWindows)
	if err != nil {
		return out, err
	}
	perItem := float64(itemBytes)
	if past.Items > 0 {
		perItem = float64(past.Bytes) / float64(past.Items)
	}
	out.Bytes = int64(perItem * float64(out.Users) * float64(min(int64(in.Settings.K), v.Items)))
	if past.Lists > 0 {
		out.Minutes = past.Seconds / float64(past.Lists) * float64(out.Users) / 60
	}
	return out, nil
}
