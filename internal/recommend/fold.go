package recommend

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/search"
)

// ErrNoSolution says that a history has no vector because the equation of its
// version cannot be solved: the manifest is wrong, not the database.
var ErrNoSolution = errors.New("the fold-in has no solution")

// Folder turns histories into user vectors of one version, with item vectors
// that it reads from the store and keeps, within bounds, for the next call. It
// is not safe for concurrent use.
type Folder struct {
	data    Data
	version recsys.Version
	foldIn  recsys.FoldIn
	cache   *itemCache
	index   *search.Index // every item, in place of the cache; nil: they are read when they are needed
}

// NewFolder makes a Folder of a version and its manifest.
func NewFolder(data Data, v recsys.Version, m *recsys.Manifest) *Folder {
	return &Folder{data: data, version: v, foldIn: m.FoldIn(), cache: newItemCache(v.Dimension, cacheBytes)}
}

// Vectors solves for each history, in one round trip. Items that the version
// does not know are left out; a history of which nothing remains has no vector.
func (f *Folder) Vectors(ctx context.Context, histories []recsys.History) ([][]float32, error) {
	f.cache.begin()
	var missing missing
	for _, h := range histories {
		f.collect(&missing, slices.Values(h.Items))
	}
	if err := f.read(ctx, missing.ids); err != nil {
		return nil, err
	}
	out := make([][]float32, len(histories))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, h := range histories {
		group.Go(func() (err error) {
			out[i], err = f.solve(h)
			return err
		})
	}
	return out, group.Wait()
}

// solve is the vector of a history whose items have been read, or nil when
// nothing in it counts. It is pure, and safe beside itself.
func (f *Folder) solve(h recsys.History) ([]float32, error) {
	var items [][]float32
	var weights []float32
	for i, item := range h.Items {
		if v := f.vector(item); v != nil && h.Weights[i] > 0 {
			items, weights = append(items, v), append(weights, h.Weights[i])
		}
	}
	if len(items) == 0 {
		return nil, nil
	}
	v, err := f.foldIn.Vector(items, weights)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoSolution, err)
	}
	return v, nil
}

// vector is the vector of an item that has been read, nil when the version has
// none. It is safe beside itself.
func (f *Folder) vector(id string) []float32 {
	if f.index != nil {
		return f.index.Vector(id)
	}
	return f.cache.vector(id)
}

// collect adds the items that have to be read.
func (f *Folder) collect(m *missing, items iter.Seq[string]) {
	if f.index == nil {
		m.collect(f.cache, items)
	}
}

// read fills the cache with items that it lacks.
func (f *Folder) read(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	vectors, err := f.data.ItemVectors(ctx, f.version, ids)
	if err != nil {
		return fmt.Errorf("read the item vectors of the histories: %w", err)
	}
	f.cache.put(ids, vectors)
	return nil
}

// missing collects the items that a cache lacks, each once.
type missing struct {
	ids  []string
	seen map[string]bool
}

func (m *missing) collect(c *itemCache, items iter.Seq[string]) {
	for id := range items {
		if m.seen[id] || c.ask(id) {
			continue
		}
		if m.seen == nil {
			m.seen = make(map[string]bool)
		}
		m.seen[id] = true
		m.ids = append(m.ids, id)
	}
}
