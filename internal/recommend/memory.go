package recommend

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/search"
)

// Memory holds the items of a version in memory for all Readers of a process, which
// read item vectors and search the nearest items there instead of in Postgres. It
// also holds those of one other version, if both fit: of the one before, for a
// rollback, or of the one that is about to be promoted. The lists equal those of an exact search in Postgres
// (docs/decisions/0017-search-in-memory.md). It is safe for concurrent use; a nil
// *Memory is empty.
type Memory struct {
	// Required makes lists fail with recsys.ErrNotInMemory instead of searching Postgres.
	Required bool

	data  Data
	limit int64 // bytes of all indexes

	loadMu sync.Mutex
	loaded atomic.Pointer[[]*versionItems] // at most two; the first one is of the last Load
	status atomic.Pointer[IndexStatus]     // nil: nothing was loaded
	unused atomic.Bool                     // no version is live
}

// Ready reports whether lists of the live version can be made: always, unless Postgres
// must not be searched and the items are not loaded. It is false until
// SetUnused or Load was called.
func (m *Memory) Ready() bool {
	return m == nil || !m.Required || m.unused.Load() || m.Status().State == IndexInMemory
}

// SetUnused records whether no version is live, so that there is nothing to load.
func (m *Memory) SetUnused(unused bool) { m.unused.Store(unused) }

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
	version versionKey
	index   *search.Index // nil: the items exceed the limit
	took    time.Duration // to load them

	overridesMu sync.Mutex                      // serializes reads of the overrides
	current     atomic.Pointer[overriddenItems] // nil without an index
}

// versionKey identifies a version, also in a restored database, which assigns the
// same numbers again.
type versionKey struct {
	id    int64
	runID string
}

func keyOf(v recsys.Version) versionKey { return versionKey{v.ID, v.RunID} }

// overriddenItems is the items with the overrides of a revision.
type overriddenItems struct {
	view     *search.View
	revision recsys.OverrideRevision
}

// NewMemory returns an empty Memory that loads at most limit bytes.
func NewMemory(data Data, limit int64) *Memory { return &Memory{data: data, limit: limit} }

// errTooLarge means that the items of a version exceed the limit.
var errTooLarge = errors.New("the items exceed the memory limit")

// Load reads the items of a version, in two round trips, unless they are loaded or
// exceed the limit. It releases the items of other versions first if not all fit;
// Readers in the middle of a call continue to use them.
func (m *Memory) Load(ctx context.Context, v recsys.Version) error {
	m.loadMu.Lock()
	defer m.loadMu.Unlock()
	defer func() { m.status.Store(m.statusOf(v)) }()
	loaded := m.all()
	at := slices.IndexFunc(loaded, func(items *versionItems) bool { return items.version == keyOf(v) })
	if at == 0 {
		return nil
	}
	if at > 0 {
		m.store(loaded[at], loaded[0])
		return nil
	}
	m.status.Store(&IndexStatus{State: IndexLoading, Version: v.ID})
	m.store(loaded[:min(1, len(loaded))]...)
	items, err := m.read(ctx, v, true)
	if errors.Is(err, errTooLarge) {
		items, err = &versionItems{version: keyOf(v)}, nil
	}
	if err != nil {
		return fmt.Errorf("load the items of version %d: %w", v.ID, err)
	}
	m.store(append([]*versionItems{items}, m.all()...)...)
	return nil
}

// Release releases all items. Readers in the middle of a call continue to use them.
func (m *Memory) Release() {
	m.loadMu.Lock()
	defer m.loadMu.Unlock()
	m.store()
	m.status.Store(nil)
}

// Preload reads the items of a version that is about to be promoted, so that Load
// finds them. It does nothing if they do not fit next to those of the last Load.
func (m *Memory) Preload(ctx context.Context, v recsys.Version) error {
	m.loadMu.Lock()
	defer m.loadMu.Unlock()
	current := m.all()[:min(1, len(m.all()))]
	room := m.limit
	for _, items := range current {
		room -= items.bytes()
	}
	if m.itemsOf(v) != nil || search.Bytes(v.Items, v.Dimension) > room {
		return nil
	}
	m.store(current...)
	items, err := m.read(ctx, v, false)
	if errors.Is(err, errTooLarge) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load the items of version %d: %w", v.ID, err)
	}
	m.store(append(slices.Clone(current), items)...)
	return nil
}

func (m *Memory) statusOf(v recsys.Version) *IndexStatus {
	if items := m.itemsOf(v); items != nil {
		return &IndexStatus{State: IndexInMemory, Version: v.ID, Items: items.index.Len(), Bytes: items.index.Bytes(), Took: items.took}
	}
	return &IndexStatus{State: IndexInPostgres, Version: v.ID}
}

// read reads the items of a version and the overrides, which the first list then need
// not read. If release is set, it releases the loaded items when they leave too little
// room.
func (m *Memory) read(ctx context.Context, v recsys.Version, release bool) (*versionItems, error) {
	began := time.Now()
	room := m.limit
	for _, items := range m.all() {
		room -= items.bytes()
	}
	fits := func(bytes int64) error {
		if bytes > m.limit || bytes > room && !release {
			return errTooLarge
		}
		if bytes > room {
			m.store()
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
	items := &versionItems{version: keyOf(v)}
	if items.index, err = b.Build(); err != nil {
		return nil, err
	}
	items.current.Store(&overriddenItems{view: items.index.View()})
	if _, err := items.readOverrides(ctx, m.data); err != nil {
		return nil, err
	}
	items.took = time.Since(began)
	return items, nil
}

func (m *Memory) all() []*versionItems {
	if loaded := m.loaded.Load(); loaded != nil {
		return *loaded
	}
	return nil
}

func (m *Memory) store(items ...*versionItems) { m.loaded.Store(&items) }

// Items returns the number of loaded items of a version, or 0 if Postgres is
// searched.
func (m *Memory) Items(v recsys.Version) int {
	if h := m.itemsOf(v); h != nil {
		return h.index.Len()
	}
	return 0
}

// itemsOf returns the items of a version, or nil if they are not loaded.
func (m *Memory) itemsOf(v recsys.Version) *versionItems {
	if m == nil {
		return nil
	}
	for _, items := range m.all() {
		if items.version == keyOf(v) && items.index != nil {
			return items
		}
	}
	return nil
}

// bytes returns the size of the items in memory.
func (h *versionItems) bytes() int64 {
	if h.index == nil {
		return 0
	}
	return h.index.Bytes()
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
// loaded. There, a query that fails emits its error.
func (r *Reader) nearest(ctx context.Context, queries []recsys.Query, emit func(i int, hits []recsys.Hit, err error)) error {
	if r.inMemory == nil {
		if r.Memory != nil && r.Memory.Required {
			return fmt.Errorf("version %d: %w", r.version.ID, recsys.ErrNotInMemory)
		}
		return r.data.NearestEach(ctx, r.version, queries, func(i int, hits []recsys.Hit) { emit(i, hits, nil) })
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
		found, failed := make([][]recsys.Hit, len(part)), make([]error, len(part))
		var group errgroup.Group
		group.SetLimit(runtime.GOMAXPROCS(0))
		for i, q := range part {
			group.Go(func() error {
				failed[i] = forOneList(func() (err error) {
					found[i], err = view.Search(q)
					return err
				})
				return nil
			})
		}
		_ = group.Wait() // the queries have their own errors
		for i, hits := range found {
			emit(from+i, hits, failed[i])
		}
	}
	return nil
}
