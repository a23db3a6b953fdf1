package recommend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/search"
)

// Memory holds the items of a version in memory for all Readers of a process, which
// read item vectors and search the nearest items there instead of in Postgres. It
// also holds those of the version before, if both fit, for a rollback. The lists
// equal those of an exact search in Postgres
// (docs/decisions/0017-search-in-memory.md). It is safe for concurrent use; a nil
// *Memory is empty.
type Memory struct {
	// Required makes lists fail with recsys.ErrNotInMemory instead of searching Postgres.
	Required bool

	data  Data
	limit int64 // bytes of all indexes

	loadMu sync.Mutex
	loaded atomic.Pointer[[]*versionItems] // the most recent first, at most two
	status atomic.Pointer[IndexStatus]     // nil: nothing was loaded
	unused atomic.Bool                     // no version is live
}

// Ready reports whether lists of the live version can be made: always, unless Postgres
// must not be searched and the items are not loaded. It is false until Follow has read
// the live pointer.
func (m *Memory) Ready() bool {
	return m == nil || !m.Required || m.unused.Load() || m.Status().State == IndexInMemory
}

// IndexStatus is how the most recent version is searched.
type IndexStatus struct {
	State   string // IndexLoading, IndexInMemory or IndexInPostgres
	Version int64
	Items   int           // in memory
	Bytes   int64         // of the index
	Took    time.Duration // to load it
}

// States of an index. While it is loading, and if it does not fit or loading failed,
// Postgres is searched.
const (
	IndexLoading    = "loading"
	IndexInMemory   = "memory"
	IndexInPostgres = "postgres"
)

// Status returns how the most recently loaded version is searched.
func (m *Memory) Status() IndexStatus {
	if m == nil || m.status.Load() == nil {
		return IndexStatus{State: IndexInPostgres}
	}
	return *m.status.Load()
}

// versionItems is the items of a version.
type versionItems struct {
	version int64
	index   *search.Index // nil: the items exceed the limit
	took    time.Duration // to load them

	overridesMu sync.Mutex                      // serializes reads of the overrides
	current     atomic.Pointer[overriddenItems] // nil without an index
}

// overriddenItems is the items with the overrides of a revision.
type overriddenItems struct {
	view     *search.View
	revision recsys.OverrideRevision
}

// NewMemory returns an empty Memory that loads at most limit bytes.
func NewMemory(data Data, limit int64) *Memory { return &Memory{data: data, limit: limit} }

// errTooLarge means that the items of a version exceed the limit.
var errTooLarge = errors.New("the items exceed the memory limit")

// Load reads the items of a version, in one round trip, unless they are loaded or
// exceed the limit. It releases the items of earlier versions first if not all fit;
// Readers in the middle of a call continue to use them.
func (m *Memory) Load(ctx context.Context, v recsys.Version) error {
	m.loadMu.Lock()
	defer m.loadMu.Unlock()
	defer func() { m.status.Store(m.statusOf(v.ID)) }()
	previous := m.all()
	for i, items := range previous {
		if items.version == v.ID {
			m.store(append([]*versionItems{items}, slices.Delete(slices.Clone(previous), i, i+1)...))
			return nil
		}
	}
	began := time.Now()
	m.status.Store(&IndexStatus{State: IndexLoading, Version: v.ID})
	m.store(slices.Clone(previous[:min(1, len(previous))]))
	items := &versionItems{version: v.ID}
	index, err := m.read(ctx, v)
	if err == nil {
		// The first list after a promotion need not read all overrides.
		items.index = index
		items.current.Store(&overriddenItems{view: index.View()})
		_, err = items.readOverrides(ctx, m.data)
	}
	if err != nil && !errors.Is(err, errTooLarge) {
		return fmt.Errorf("load the items of version %d: %w", v.ID, err)
	}
	items.took = time.Since(began)
	m.store(append([]*versionItems{items}, m.all()...))
	return nil
}

func (m *Memory) statusOf(version int64) *IndexStatus {
	if items := m.itemsOf(version); items != nil {
		return &IndexStatus{State: IndexInMemory, Version: version, Items: items.index.Len(), Bytes: items.index.Bytes(), Took: items.took}
	}
	return &IndexStatus{State: IndexInPostgres, Version: version}
}

// read reads the items of a version. It releases the loaded ones when they leave too
// little room.
func (m *Memory) read(ctx context.Context, v recsys.Version) (*search.Index, error) {
	room := m.limit
	for _, items := range m.all() {
		if items.index != nil {
			room -= items.index.Bytes()
		}
	}
	fits := func(bytes int64) error {
		if bytes > m.limit {
			return errTooLarge
		}
		if bytes > room {
			m.store(nil)
			runtime.GC() // before the new items are allocated
			room = m.limit
		}
		return nil
	}
	if err := fits(search.Bytes(v.Items, v.Dimension)); err != nil {
		return nil, err
	}
	b := search.NewBuilder(v.Dimension, v.Items)
	err := m.data.EachItem(ctx, v, func(item recsys.Item, vector []float32) error {
		if err := fits(b.Bytes()); err != nil {
			return err
		}
		return b.Add(item, vector)
	})
	if err != nil {
		return nil, err
	}
	return b.Build()
}

func (m *Memory) all() []*versionItems {
	if loaded := m.loaded.Load(); loaded != nil {
		return *loaded
	}
	return nil
}

func (m *Memory) store(items []*versionItems) { m.loaded.Store(&items) }

// retryAfter is the time after which Follow retries a version that it failed to
// load.
const retryAfter = time.Minute

// Follow loads the live version, and each newly promoted one, until ctx ends. It
// reads the live pointer at every interval.
func (m *Memory) Follow(ctx context.Context, interval time.Duration, store *versions.Store, log *slog.Logger) {
	var loaded, failed int64 // versions
	var failedAt time.Time
	for wait := time.Duration(0); ; wait = interval {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		id, _, err := store.LivePointer(ctx)
		m.unused.Store(err == nil && id == 0)
		if err != nil || id == 0 || id == loaded || id == failed && time.Since(failedAt) < retryAfter {
			continue // requests report an unavailable database
		}
		v, err := store.Version(ctx, id)
		if err == nil {
			err = m.Load(ctx, v)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failed, failedAt = id, time.Now()
			log.Warn("index not loaded, "+m.otherwise(), "version", id, "error", err)
			continue
		}
		if s := m.Status(); s.State == IndexInMemory {
			log.Info("index loaded", "version", id, "items", s.Items, "bytes", s.Bytes, "duration_ms", s.Took.Milliseconds())
		} else {
			log.Info("the items exceed RECFLOW_SEARCH_MEMORY, "+m.otherwise(), "version", id, "items", v.Items)
		}
		loaded = id
	}
}

// otherwise says what happens to lists of a version that is not in memory.
func (m *Memory) otherwise() string {
	if m.Required {
		return "lists fail because RECFLOW_SEARCH is memory"
	}
	return "searching in Postgres"
}

// Items returns the number of loaded items of a version, or 0 if Postgres is
// searched.
func (m *Memory) Items(version int64) int {
	if h := m.itemsOf(version); h != nil {
		return h.index.Len()
	}
	return 0
}

// itemsOf returns the items of a version, or nil if they are not loaded.
func (m *Memory) itemsOf(version int64) *versionItems {
	if m == nil {
		return nil
	}
	for _, items := range m.all() {
		if items.version == version && items.index != nil {
			return items
		}
	}
	return nil
}

// view returns the items with overrides of at least the given revision. If they have
// changed, it reads the changes, in one round trip.
func (h *versionItems) view(ctx context.Context, data Data, revision recsys.OverrideRevision) (*search.View, error) {
	if o := h.current.Load(); o.revision.Includes(revision) {
		return o.view, nil
	}
	h.overridesMu.Lock()
	defer h.overridesMu.Unlock()
	if o := h.current.Load(); o.revision.Includes(revision) {
		return o.view, nil
	}
	return h.readOverrides(ctx, data)
}

// readOverrides applies the changes of overrides since those that the items have.
func (h *versionItems) readOverrides(ctx context.Context, data Data) (*search.View, error) {
	o := *h.current.Load()
	changes, err := data.OverridesSince(ctx, o.revision)
	if err != nil {
		return nil, err
	}
	if changes.All {
		o.view = h.index.View()
	}
	o.view, o.revision = o.view.With(changes.Overrides), changes.Revision
	h.current.Store(&o)
	return o.view, nil
}

// searchBatch is the number of queries that are searched before their lists are
// emitted. It is small because the deadline is checked between batches only.
const searchBatch = 32

// nearest searches like embeddings.Store.NearestEach, in memory if the items are
// loaded.
func (r *Reader) nearest(ctx context.Context, queries []recsys.Query, emit func(i int, hits []recsys.Hit)) error {
	if r.inMemory == nil {
		if r.Memory != nil && r.Memory.Required {
			return fmt.Errorf("version %d: %w", r.version.ID, recsys.ErrNotInMemory)
		}
		return r.data.NearestEach(ctx, r.version, queries, emit)
	}
	view, err := r.inMemory.view(ctx, r.data, r.overrides)
	if err != nil {
		return err
	}
	for from := 0; from < len(queries); from += searchBatch {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := queries[from:min(from+searchBatch, len(queries))]
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
