package recommend

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
)

// ErrNoSolution says that a history has no vector because the equation of its
// version cannot be solved: the manifest is wrong, not the database.
var ErrNoSolution = errors.New("the fold-in has no solution")

// cachedFloats bounds the item vectors that a Folder keeps: 128 MiB.
const cachedFloats = 32 << 20

// Folder turns histories into user vectors of one version, with item vectors
// that it reads from the store and keeps, within bounds, for the next call. It
// is not safe for concurrent use.
type Folder struct {
	store   *vectorstore.Store
	version recsys.Version
	foldIn  recsys.FoldIn
	cache   map[string][]float32 // nil: the version has no such item
}

// NewFolder makes a Folder of a version and its manifest.
func NewFolder(store *vectorstore.Store, v recsys.Version, m *recsys.Manifest) *Folder {
	return &Folder{store: store, version: v, foldIn: m.FoldIn(), cache: make(map[string][]float32)}
}

// Vectors solves for each history, in one round trip. Items that the version
// does not know are left out; a history of which nothing remains has no vector.
func (f *Folder) Vectors(ctx context.Context, histories []recsys.History) ([][]float32, error) {
	if err := f.fill(ctx, histories); err != nil {
		return nil, err
	}
	out := make([][]float32, len(histories))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, h := range histories {
		items, weights := f.known(h)
		if len(items) == 0 {
			continue
		}
		group.Go(func() error {
			v, err := f.foldIn.Vector(items, weights)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrNoSolution, err)
			}
			out[i] = v
			return nil
		})
	}
	return out, group.Wait()
}

// fill reads the item vectors that the histories need and the cache lacks.
func (f *Folder) fill(ctx context.Context, histories []recsys.History) error {
	if len(f.cache)*f.version.Dimension > cachedFloats {
		clear(f.cache)
	}
	var missing []string
	for _, h := range histories {
		for _, item := range h.Items {
			if _, there := f.cache[item]; !there {
				f.cache[item] = nil
				missing = append(missing, item)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	vectors, err := f.store.ItemVectors(ctx, f.version, missing)
	if err != nil {
		clear(f.cache) // the marks above are not answers
		return fmt.Errorf("read the item vectors of the history: %w", err)
	}
	for item, v := range vectors {
		f.cache[item] = v
	}
	return nil
}

// known is the part of a history that has vectors and weighs something.
func (f *Folder) known(h recsys.History) (items [][]float32, weights []float32) {
	for i, item := range h.Items {
		if v := f.cache[item]; v != nil && h.Weights[i] > 0 {
			items, weights = append(items, v), append(weights, h.Weights[i])
		}
	}
	return items, weights
}
