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

// ErrNoSolution means that the fold-in equation of the version cannot be solved.
// The manifest is wrong, not the database.
var ErrNoSolution = errors.New("the fold-in has no solution")

// Folder computes the user vectors of histories under one version. It reads the
// item vectors from the store and caches them within a limit. It is not safe for
// concurrent use, except for the methods documented as such.
type Folder struct {
	data    Data
	version recsys.Version
	foldIn  recsys.FoldIn
	cache   *itemCache
	index   *search.Index // all items, used instead of the cache; nil: items are read on demand
}

// NewFolder returns a Folder of a version and its manifest.
func NewFolder(data Data, v recsys.Version, m *recsys.Manifest) *Folder {
	return &Folder{data: data, version: v, foldIn: m.FoldIn(), cache: newItemCache(v.Dimension, cacheBytes)}
}

// Vectors returns the vector of each history, in one round trip. It ignores items
// that the version does not contain. The vector of a history without other items
// with weight is nil.
func (f *Folder) Vectors(ctx context.Context, histories []recsys.History) ([][]float32, error) {
	f.cache.startRound()
	var missing missingItems
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
		group.Go(func() error {
			return forOneList(func() (err error) {
				out[i], err = f.solve(h)
				return err
			})
		})
	}
	return out, group.Wait()
}

// solve returns the vector of a history whose items have been read, or nil if no
// item has weight. It is pure and safe for concurrent use.
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

// vector returns the vector of an item that has been read, or nil if the version
// does not contain the item. It is safe for concurrent use.
func (f *Folder) vector(id string) []float32 {
	if f.index != nil {
		return f.index.Vector(id)
	}
	return f.cache.vector(id)
}

// collect adds the items that must be read to m.
func (f *Folder) collect(m *missingItems, items iter.Seq[string]) {
	if f.index == nil {
		m.collect(f.cache, items)
	}
}

// read reads items into the cache.
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

// missingItems collects the items that are not in a cache, each once.
type missingItems struct {
	ids  []string
	seen map[string]bool
}

func (m *missingItems) collect(c *itemCache, items iter.Seq[string]) {
	for id := range items {
		if m.seen[id] || c.touch(id) {
			continue
		}
		if m.seen == nil {
			m.seen = make(map[string]bool)
		}
		m.seen[id] = true
		m.ids = append(m.ids, id)
	}
}
