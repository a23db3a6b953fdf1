package activities

import (
	"context"

	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/search"
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
	search, err := a.chooseSearch(ctx, in.Search, m.Rows(recsys.ItemsFile), m.Dimension)
	if err != nil {
		return CreateVersionResult{}, err
	}
	v, err := a.Versions.CreateVersion(ctx, versions.NewVersion{Manifest: m, Search: search, Owner: ownerOf(ctx), Evaluation: in.Evaluation})
	if err != nil {
		return CreateVersionResult{}, err
	}
	return CreateVersionResult{Version: v.ID, Search: v.Search}, nil
}

// chooseSearch returns how a version is searched in Postgres, as requested or by the
// size of its catalog. It needs no graph if every reader searches in memory, and if
// the gates of this worker can search it there together with the live version.
func (a *Activities) chooseSearch(ctx context.Context, requested *recsys.Search, items int64, k int) (recsys.Search, error) {
	bySize := recsys.ChooseSearch(items, k)
	switch {
	case requested != nil && requested.Method == recsys.HNSW && requested.M == 0: // without parameters
		return recsys.ChooseSearch(max(items, smallestGraph), k), nil
	case requested != nil:
		return *requested, nil
	case bySize.Method == recsys.Exact:
		return bySize, nil
	}
	memory, err := a.servingMemory(ctx)
	if err != nil {
		return recsys.Search{}, err
	}
	if search.MaxBytes(items, k) <= memory {
		return recsys.Search{Method: recsys.Exact}, nil
	}
	return bySize, nil
}

// servingMemory returns the bytes that the items of a version may take so that every
// reader, and the gates of this worker next to the live version, hold them in memory.
// It is 0 if no reader reported in the last 24 hours, or one searches in Postgres.
func (a *Activities) servingMemory(ctx context.Context) (int64, error) {
	memory, known, err := a.Versions.ReaderMemory(ctx)
	if err != nil || !known {
		return 0, err
	}
	return min(memory, a.SearchMemory/2), nil
}
