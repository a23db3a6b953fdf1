package activities

import (
	"context"

	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

// CreateVersionInput names the run and how its version is searched.
type CreateVersionInput struct {
	RunID  string         `json:"run_id"`
	Search *recsys.Search `json:"search,omitempty"` // nil: chosen by its size and the memory of the readers

	Evaluation bool `json:"evaluation,omitempty"` // the version must not be promoted
}

// CreateVersionResult is the new version.
type CreateVersionResult struct {
	Version int64         `json:"version"`
	Search  recsys.Search `json:"search"`
}

// smallestGraph is a number of items for which recsys.ChooseSearch chooses
// HNSW.
const smallestGraph = 10_001

// CreateVersion creates the schema of a version and stores the manifest with
// it. It is idempotent by the run id: the same manifest returns the same
// version.
func (a *Activities) CreateVersion(ctx context.Context, in CreateVersionInput) (CreateVersionResult, error) {
	m, err := a.manifest(ctx, in.RunID)
	if err != nil {
		return CreateVersionResult{}, err
	}
	items := m.Rows(recsys.ItemsFile)
	search := recsys.ChooseSearch(items, m.Dimension)
	switch {
	case in.Search == nil:
		memory, known, err := a.Versions.ReaderMemory(ctx)
		if err != nil {
			return CreateVersionResult{}, err
		}
		if known && recsys.FitsInMemory(items, m.Dimension, memory) {
			search = recsys.Search{Method: recsys.Exact} // every reader searches in memory
		}
	case in.Search.Method == recsys.HNSW && in.Search.M == 0:
		// HNSW was requested without parameters.
		search = recsys.ChooseSearch(max(items, smallestGraph), m.Dimension)
	default:
		search = *in.Search
	}
	v, err := a.Versions.CreateVersion(ctx, versions.NewVersion{Manifest: m, Search: search, Owner: ownerOf(ctx), Evaluation: in.Evaluation})
	if err != nil {
		return CreateVersionResult{}, err
	}
	return CreateVersionResult{Version: v.ID, Search: v.Search}, nil
}
