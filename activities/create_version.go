package activities

import (
	"context"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
)

// CreateVersionInput names the run, and how the version is searched.
type CreateVersionInput struct {
	RunID  string         `json:"run_id"`
	Search *recsys.Search `json:"search,omitempty"` // nil: its size decides
}

// CreateVersionResult is the new version.
type CreateVersionResult struct {
	Version int64         `json:"version"`
	Search  recsys.Search `json:"search"`
}

// CreateVersion makes the schema of a version and stores the manifest with it.
// The run id makes it idempotent: the same manifest gives the same version.
func (a *Activities) CreateVersion(ctx context.Context, in CreateVersionInput) (CreateVersionResult, error) {
	m, err := a.manifest(ctx, in.RunID)
	if err != nil {
		return CreateVersionResult{}, err
	}
	search := recsys.ChooseSearch(m.Rows(recsys.ItemsFile), m.Dimension)
	if in.Search != nil {
		search = *in.Search
	}
	v, err := a.Store.CreateVersion(ctx, vectorstore.NewVersion{Manifest: m, Search: search, Owner: ownerOf(ctx)})
	if err != nil {
		return CreateVersionResult{}, err
	}
	return CreateVersionResult{Version: v.ID, Search: v.Search}, nil
}
