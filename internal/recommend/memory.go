package recommend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/search"
)

// Memory holds the items of one version for all Readers of a process: from it they
// take item vectors, and find the nearest items, in place of Postgres. The lists
// are those of an exact search there (docs/decisions/0017-search-in-memory.md). It
// is safe for concurrent use; a nil Memory holds nothing.
type Memory struct {
	data  Data
	limit int64

	loading sync.Mutex
	held    atomic.Pointer[held]
}

// held is the items of a version.
type held struct {
	version int64
	index   *search.Index // nil: they do not fit

	reading sync.Mutex // of overrides
	current atomic.Pointer[overridden]
}

// overridden is the items with the overrides of a revision.
type overridden struct {
	view     *search.View
	revision int64
}

// NewMemory makes a Memory of at most limit bytes: with 0 it holds nothing.
func NewMemory(data Data, limit int64) *Memory { return &Memory{data: data, limit: limit} }

// errTooLarge says that the items of a version do not fit.
var errTooLarge = errors.New("the items do not fit")

// Load reads the items of a version, in one round trip, unless they are there or
// take more than the limit. The items of another version are released before;
// Readers that are using them go on.
func (m *Memory) Load(ctx context.Context, v recsys.Version) error {
	m.loading.Lock()
	defer m.loading.Unlock()
	if h := m.held.Load(); h != nil && h.version == v.ID {
		return nil
	}
	m.held.Store(nil)
	index, err := m.read(ctx, v)
	if err != nil && !errors.Is(err, errTooLarge) {
		return fmt.Errorf("load the items of version %d: %w", v.ID, err)
	}
	m.held.Store(&held{version: v.ID, index: index})
	return nil
}

func (m *Memory) read(ctx context.Context, v recsys.Version) (*search.Index, error) {
	if search.Bytes(v.Items, v.Dimension) > m.limit {
		return nil, errTooLarge
	}
	b := search.NewBuilder(v.Dimension, v.Items)
	err := m.data.EachItem(ctx, v, func(item recsys.Item, vector []float32) error {
		if b.Bytes() > m.limit {
			return errTooLarge
		}
		return b.Add(item, vector)
	})
	if err != nil {
		return nil, err
	}
	return b.Build()
}

// retryAfter is how long Follow waits before it loads a version again that it could
// not load.
const retryAfter = time.Minute

// Follow loads the live version, and the next one when another version is promoted,
// until ctx ends. It reads the live pointer at every interval.
func (m *Memory) Follow(ctx context.Context, interval time.Duration, store *versions.Store, log *slog.Logger) {
	var loaded, failed int64 // versions
	var failedAt time.Time
	for wait := time.Duration(0); ; wait = interval {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		id, err := store.LiveID(ctx)
		if err != nil || id == 0 || id == loaded || id == failed && time.Since(failedAt) < retryAfter {
			continue // requests report that the database is unavailable
		}
		began := time.Now()
		v, err := store.Version(ctx, id)
		if err == nil {
			err = m.Load(ctx, v)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failed, failedAt = id, time.Now()
			log.Warn("index not loaded, searching in Postgres", "version", id, "error", err)
			continue
		case m.Items(id) == 0:
			log.Info("the items exceed RECFLOW_SEARCH_MEMORY, searching in Postgres", "version", id, "items", v.Items)
		default:
			log.Info("index loaded", "version", id, "items", m.Items(id), "duration_ms", time.Since(began).Milliseconds())
		}
		loaded = id
	}
}

// Items is how many items of a version it holds; 0: Postgres is searched.
func (m *Memory) Items(version int64) int {
	if h := m.of(version); h != nil {
		return h.index.Len()
	}
	return 0
}

// of is the items of a version, nil when they are not held.
func (m *Memory) of(version int64) *held {
	if m == nil {
		return nil
	}
	if h := m.held.Load(); h != nil && h.version == version && h.index != nil {
		return h
	}
	return nil
}

// at is the items with the overrides of at least a revision. It reads them, in one
// round trip, when they have changed.
func (h *held) at(ctx context.Context, data Data, revision int64) (*search.View, error) {
	if o := h.current.Load(); o != nil && o.revision >= revision {
		return o.view, nil
	}
	h.reading.Lock()
	defer h.reading.Unlock()
	if o := h.current.Load(); o != nil && o.revision >= revision {
		return o.view, nil
	}
	overrides, read, err := data.Overrides(ctx)
	if err != nil {
		return nil, err
	}
	o := &overridden{h.index.View(overrides), read}
	h.current.Store(o)
	return o.view, nil
}

// tile is how many queries are answered before their lists are emitted: few
// enough for a deadline between two tiles to come in time.
const tile = 32

// nearest is embeddings.Store.NearestEach where the items are.
func (r *Reader) nearest(ctx context.Context, queries []recsys.Query, emit func(i int, hits []recsys.Hit)) error {
	if r.held == nil {
		return r.data.NearestEach(ctx, r.version, queries, emit)
	}
	view, err := r.held.at(ctx, r.data, r.items)
	if err != nil {
		return err
	}
	for from := 0; from < len(queries); from += tile {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := queries[from:min(from+tile, len(queries))]
		found := make([][]recsys.Hit, len(part))
		var group errgroup.Group
		group.SetLimit(runtime.GOMAXPROCS(0))
		for i, q := range part {
			group.Go(func() (err error) {
				found[i], err = view.Search(q)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		for i, hits := range found {
			emit(from+i, hits)
		}
	}
	return nil
}
