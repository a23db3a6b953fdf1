package recommend_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recommend/follow"
	"github.com/recflow/recflow/internal/recsys"
	index "github.com/recflow/recflow/internal/search"
)

// search returns the lists as they are encoded, without a difference between nil
// and empty tags.
func search(t *testing.T, r *recommend.Reader, req recommend.Request, specs []recommend.ListSpec) []recommend.List {
	t.Helper()
	_, err := r.Read(t.Context(), []string{"u00001"}) // reads the revision of the overrides
	require.NoError(t, err)
	out := make([]recommend.List, len(specs))
	require.NoError(t, r.Search(t.Context(), req, specs, func(i int, l recommend.List, err error) {
		require.NoError(t, err)
		require.Zero(t, out[i], "emitted twice")
		for j, item := range l.Items {
			l.Items[j].Tags = append([]string{}, item.Tags...)
		}
		out[i] = l
	}))
	return out
}

// inMemory returns a Reader whose items are in memory.
func (b *bundle) inMemory(t *testing.T, m *recsys.Manifest) *recommend.Reader {
	t.Helper()
	memory := recommend.NewMemory(b.store, 1<<30)
	require.NoError(t, memory.Load(t.Context(), b.version))
	r := recommend.NewReader(b.store, b.version, m)
	r.Memory = memory
	return r
}

// crowd makes items hard to rank: with equal vectors, vectors that differ in the
// last digits, and zero vectors.
func crowd(r *rand.Rand, items []postgrestest.ItemRow) {
	for i := range items {
		v := items[i].Vector
		switch near := items[max(0, i-1-r.IntN(8))].Vector; r.IntN(8) {
		case 0, 1:
			copy(v, near)
		case 2, 3:
			for j := range v {
				v[j] = near[j] * (1 + float32(r.IntN(3)-1)*0x1p-23)
			}
		case 4:
			clear(v)
		}
	}
}

func specsOf(r *rand.Rand, items []postgrestest.ItemRow, dimension int) []recommend.ListSpec {
	specs := make([]recommend.ListSpec, 1+r.IntN(40))
	for i := range specs {
		specs[i].K = []int{1, 5, 20, 100, 310}[r.IntN(5)]
		if r.IntN(10) == 0 {
			continue // without a vector: the popular items
		}
		v := make([]float32, dimension)
		for j := range v {
			v[j] = float32(r.NormFloat64())
		}
		if r.IntN(4) == 0 { // the neighborhood of an item
			copy(v, items[r.IntN(len(items))].Vector)
		}
		specs[i].State.Vector = v
		for range r.IntN(60) {
			id := items[r.IntN(len(items))].ItemID
			if r.IntN(10) == 0 {
				id = "no such item"
			}
			specs[i].State.History.Seen = append(specs[i].State.History.Seen, id)
		}
	}
	return specs
}

func TestMemory_lists_equal_those_of_Postgres(t *testing.T) {
	for _, test := range []struct{ items, dimension, rounds int }{{1, 3, 4}, {500, 8, 6}, {300, 16, 10}, {400, 64, 6}, {700, 65, 6}, {9000, 7, 4}, {300, 128, 4}, {250, 256, 4}, {200, 512, 4}} {
		t.Run(fmt.Sprintf("it equals the list from Postgres, %d items × %d", test.items, test.dimension), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(test.items), 3))
			b := &bundle{store: postgrestest.New(t)}
			b.version = postgrestest.Build(t, b.store, postgrestest.Fixture{
				Items: test.items, Users: 20, Dimension: test.dimension, HoldoutShare: 1,
				Change: func(d *postgrestest.Data) { crowd(r, d.Items); b.data = *d },
			})
			m, err := b.store.Manifest(t.Context(), b.version.ID)
			require.NoError(t, err)
			stored, memory := recommend.NewReader(b.store, b.version, m), b.inMemory(t, m)
			require.Equal(t, test.items, memory.ItemsInMemory())
			for round := range test.rounds {
				specs := specsOf(r, b.data.Items, test.dimension)
				for _, req := range []recommend.Request{
					{ExcludeSeen: []string{"", recommend.SeenAll, recommend.SeenNone}[round%3]},
					{Category: fmt.Sprint("c", r.IntN(6))},
					{Tags: []string{"even"}},
					{Category: fmt.Sprint("c", r.IntN(6)), Tags: []string{"even", "rare"}[:1+r.IntN(2)]},
					{Exclude: someIDs(r, b.data.Items), ExcludeSeen: recommend.SeenNone},
					{Exclude: someIDs(r, b.data.Items), Tags: []string{"even"}},
				} {
					require.Equal(t, search(t, stored, req, specs), search(t, memory, req, specs), "round %d", round)
				}

				// The Reader that has the items in memory must follow.
				for range r.IntN(min(test.items/8, 60) + 2) {
					b.override(t, r)
				}
			}
		})
	}
}

// someIDs returns ids of items.
func someIDs(r *rand.Rand, items []postgrestest.ItemRow) []string {
	ids := []string{"no such item"}
	for range r.IntN(100) {
		ids = append(ids, items[r.IntN(len(items))].ItemID)
	}
	return ids
}

// override sets or removes overrides of a random item.
func (b *bundle) override(t *testing.T, r *rand.Rand) {
	t.Helper()
	id := b.data.Items[r.IntN(len(b.data.Items))].ItemID
	if r.IntN(20) == 0 {
		id = "not in the version"
	}
	c := embeddings.ItemChange{Reset: []string{"available", "title", "category", "tags"}}
	if r.IntN(4) > 0 {
		c = embeddings.ItemChange{Available: new(r.IntN(3) == 0)}
	}
	if r.IntN(4) == 0 {
		c = embeddings.ItemChange{
			Title: new(fmt.Sprint("Title ", r.IntN(100))), Category: new(fmt.Sprint("c", r.IntN(6))),
			Tags: [][]string{{}, {"even"}, {"rare", "even"}}[r.IntN(3)],
		}
	}
	_, err := b.store.ChangeItem(t.Context(), id, c)
	require.NoError(t, err)
}

// TestMemory_similar_items_and_explanations_equal_those_of_Postgres also covers Item.
func TestMemory_similar_items_and_explanations_equal_those_of_Postgres(t *testing.T) {
	b := setup(t, postgrestest.Fixture{ChangeManifest: func(m *recsys.Manifest) { m.Similar = &recsys.Similar{Beta: 0.5} }})
	m, err := b.store.Manifest(t.Context(), b.version.ID)
	require.NoError(t, err)
	users := []string{"u00001", "u00002", "unknown-user"}
	stored := recommend.Recommender{Versions: b.store.VersionStore, Embeddings: b.store.EmbeddingStore}
	memory := stored
	memory.Memory = b.inMemory(t, m).Memory
	r := rand.New(rand.NewPCG(7, 7))
	for range 30 {
		b.override(t, r)
		id := b.data.Items[r.IntN(len(b.data.Items))].ItemID
		req := recommend.Request{K: 10, Category: []string{"", "c1"}[r.IntN(2)]}
		want, err := stored.Similar(t.Context(), id, req)
		require.NoError(t, err)
		got, err := memory.Similar(t.Context(), id, req)
		require.NoError(t, err)
		require.Equal(t, want, got)

		req.UserID = users[r.IntN(len(users))]
		explained, err := stored.Explain(t.Context(), req, id)
		require.NoError(t, err)
		again, err := memory.Explain(t.Context(), req, id)
		require.NoError(t, err)
		require.Equal(t, explained, again)
		item, version, err := memory.Item(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, []any{again.Item, b.version.ID}, []any{item, version})
	}
	for _, recommender := range []recommend.Recommender{stored, memory} {
		_, err := recommender.Similar(t.Context(), "unknown", recommend.Request{K: 10})
		require.ErrorIs(t, err, recommend.ErrUnknownItem)
		_, _, err = recommender.Item(t.Context(), "unknown")
		require.ErrorIs(t, err, recommend.ErrUnknownItem)
	}
}

func TestMemory(t *testing.T) {
	b := setup(t, postgrestest.Fixture{})
	m, err := b.store.Manifest(t.Context(), b.version.ID)
	require.NoError(t, err)
	request := recommend.Request{K: 10}
	users := []string{"u00001", "u00002", "unknown-user"}
	_, err = b.store.StoreEvents(t.Context(), []events.StreamEvent{
		{Event: recsys.Event{EventID: "e1", UserID: "u00001", ItemID: "i000003", EventType: recsys.Purchase, OccurredAt: b.version.Coverage.To}},
		{Event: recsys.Event{EventID: "e2", UserID: "u00002", ItemID: "unknown", EventType: recsys.Purchase, OccurredAt: b.version.Coverage.To}},
	})
	require.NoError(t, err)
	want, err := recommend.NewReader(b.store, b.version, m).Lists(t.Context(), request, users)
	require.NoError(t, err)
	t.Run("it makes the same lists of users", func(t *testing.T) {
		r := recommend.NewReader(b.store, b.version, m)
		_, err := r.Lists(t.Context(), request, users[:1]) // fills the cache, which must be released
		require.NoError(t, err)
		r.Memory = b.inMemory(t, m).Memory
		got, err := r.Lists(t.Context(), request, users)
		require.NoError(t, err)
		assert.Equal(t, want, got)
		assert.True(t, r.Contains("i000003"))
		assert.False(t, r.Contains("unknown"))
	})
	t.Run("it searches Postgres if the vectors exceed the limit", func(t *testing.T) {
		r := recommend.NewReader(b.store, b.version, m)
		r.Memory = recommend.NewMemory(b.store, 400*16*4)
		require.NoError(t, r.Memory.Load(t.Context(), b.version))
		assert.Zero(t, r.ItemsInMemory())
		got, err := r.Lists(t.Context(), request, users)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	})
	t.Run("it stops reading if the texts exceed the limit", func(t *testing.T) {
		memory := recommend.NewMemory(b.store, index.Bytes(400, 16)+1)
		require.NoError(t, memory.Load(t.Context(), b.version))
		assert.Zero(t, memory.Items(b.version))
		assert.Equal(t, recommend.IndexStatus{State: recommend.IndexInPostgres, Version: b.version.ID}, memory.Status())
	})
	t.Run("it keeps the previous version if both fit", func(t *testing.T) {
		next := postgrestest.Build(t, b.store, postgrestest.Fixture{RunID: "larger", Items: 500})
		third := postgrestest.Build(t, b.store, postgrestest.Fixture{RunID: "third"})
		loaded := func(m *recommend.Memory) []int {
			return []int{m.Items(b.version), m.Items(next), m.Items(third)}
		}
		memory := recommend.NewMemory(b.store, 1<<30)
		for _, v := range []recsys.Version{b.version, next, b.version, third} {
			require.NoError(t, memory.Load(t.Context(), v))
		}
		assert.Equal(t, []int{400, 0, 400}, loaded(memory), "the most recent two")
		assert.Equal(t, []any{recommend.IndexInMemory, third.ID, 400}, []any{memory.Status().State, memory.Status().Version, memory.Status().Items})

		memory = recommend.NewMemory(b.store, index.Bytes(1000, 16))
		for _, v := range []recsys.Version{b.version, next} {
			require.NoError(t, memory.Load(t.Context(), v))
		}
		assert.Equal(t, []int{0, 500, 0}, loaded(memory), "both do not fit")

		require.NoError(t, memory.Load(t.Context(), recsys.Version{ID: 999, Items: 1_000_000, Dimension: 16}))
		assert.Equal(t, []int{0, 500, 0}, loaded(memory), "a version that cannot fit releases nothing")
		assert.Equal(t, recommend.IndexStatus{State: recommend.IndexInPostgres, Version: 999}, memory.Status())
	})
	t.Run("it preloads a version if both fit", func(t *testing.T) {
		next := postgrestest.Build(t, b.store, postgrestest.Fixture{RunID: "preloaded"})
		before := postgrestest.Build(t, b.store, postgrestest.Fixture{RunID: "before"})
		memory := recommend.NewMemory(b.store, 1<<30)
		require.NoError(t, memory.Load(t.Context(), before))
		require.NoError(t, memory.Load(t.Context(), b.version))
		status := memory.Status()
		require.NoError(t, memory.Preload(t.Context(), next))
		assert.Equal(t, []int{0, 400, 400}, []int{memory.Items(before), memory.Items(b.version), memory.Items(next)})
		assert.Equal(t, status, memory.Status(), "the live version is still the other one")
		require.NoError(t, memory.Load(t.Context(), next))
		assert.Equal(t, []int{400, 400}, []int{memory.Items(b.version), memory.Items(next)}, "for a rollback")
		assert.Equal(t, next.ID, memory.Status().Version)

		memory = recommend.NewMemory(b.store, index.Bytes(700, 16))
		require.NoError(t, memory.Load(t.Context(), b.version))
		require.NoError(t, memory.Preload(t.Context(), next))
		assert.Equal(t, []int{400, 0}, []int{memory.Items(b.version), memory.Items(next)}, "the live version is not released")

		// At the promotion lists come from Postgres until the old items are replaced.
		r := recommend.NewReader(b.store, next, m)
		r.Memory = memory
		want, err := recommend.NewReader(b.store, next, m).Lists(t.Context(), request, users)
		require.NoError(t, err)
		for range 2 {
			got, err := r.Lists(t.Context(), request, users)
			require.NoError(t, err)
			assert.Equal(t, want, got)
			require.NoError(t, memory.Load(t.Context(), next))
			assert.Equal(t, 400, memory.Items(next))
		}
	})
	t.Run("it does not mistake a version of a restored database for another one", func(t *testing.T) {
		memory := recommend.NewMemory(b.store, 1<<30)
		require.NoError(t, memory.Load(t.Context(), b.version))
		again := b.version
		again.RunID = "trained after the restore"
		assert.Zero(t, memory.Items(again))
		require.NoError(t, memory.Load(t.Context(), again))
		assert.Equal(t, 400, memory.Items(again))
	})
	t.Run("it searches Postgres if loading fails", func(t *testing.T) {
		r := recommend.NewReader(b.store, b.version, m)
		r.Memory = recommend.NewMemory(b.store, 1<<30)
		require.ErrorIs(t, r.Memory.Load(t.Context(), recsys.Version{ID: 999, Dimension: 16}), recsys.ErrVersionGone)
		assert.Zero(t, r.ItemsInMemory())
		got, err := r.Lists(t.Context(), request, users)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	})
	t.Run("it uses the same items until the next read", func(t *testing.T) {
		r := b.inMemory(t, m)
		states, err := r.Read(t.Context(), users[:1])
		require.NoError(t, err)
		_ = r.Memory.Load(t.Context(), recsys.Version{ID: 999, Dimension: 16})
		n, err := r.Load(t.Context(), states)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		assert.True(t, r.Contains("i000003"))
	})
	t.Run("it follows the live version", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		next := postgrestest.Build(t, b.store, postgrestest.Fixture{RunID: "next"})
		memory := recommend.NewMemory(b.store, 1<<30)
		f := follow.Follower{
			Memory: memory, Versions: b.store.VersionStore, Log: slog.New(slog.DiscardHandler),
			Reader: versions.Reader{Process: uuid.NewString(), Component: "api", Memory: 1 << 30},
		}
		ended := make(chan struct{})
		go func() { f.Run(ctx, time.Millisecond); close(ended) }()
		defer func() { stop(); <-ended }()
		for _, v := range []recsys.Version{b.version, next, b.version} {
			b.promote(t, v)
			require.Eventually(t, func() bool { return memory.Status().Version == v.ID && memory.Items(v) == 400 }, 10*time.Second, time.Millisecond)
		}
		// What is announced is in memory before it is promoted, also twice in a row.
		for i := range 2 {
			v := postgrestest.Build(t, b.store, postgrestest.Fixture{RunID: fmt.Sprint("candidate-", i)})
			late, err := b.store.PrepareReaders(t.Context(), v.ID, time.Minute)
			require.NoError(t, err)
			require.Zero(t, late)
			require.Equal(t, 400, memory.Items(v))
			b.promote(t, v)
		}
	})
}

// TestMemory_stays_flat_over_promotions promotes 50 versions under load, and compares
// the heap after the last ones with that after the first ones.
func TestMemory_stays_flat_over_promotions(t *testing.T) {
	b := setup(t, postgrestest.Fixture{})
	built := []recsys.Version{b.version}
	for i := range 2 {
		built = append(built, postgrestest.Build(t, b.store, postgrestest.Fixture{RunID: fmt.Sprint("large-", i), Items: 20_000, Dimension: 64}))
	}
	memory := recommend.NewMemory(b.store, 1<<30)
	follower := follow.Follower{
		Memory: memory, Versions: b.store.VersionStore, Log: slog.New(slog.DiscardHandler),
		Reader: versions.Reader{Process: uuid.NewString(), Component: "api", Memory: 1 << 30},
	}
	r := recommend.Recommender{Versions: b.store.VersionStore, Embeddings: b.store.EmbeddingStore, Readers: recommend.NewReaderPool(5 * time.Millisecond), Memory: memory}
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { follower.Run(ctx, 5*time.Millisecond) })
	var lists atomic.Int64
	for range 2 {
		group.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				_, err := r.Recommend(ctx, recommend.Request{UserID: "unknown-user", Recent: []string{fmt.Sprintf("i%06d", i%400)}, K: 20})
				if ctx.Err() == nil && assert.NoError(t, err) {
					lists.Add(1)
				}
			}
		})
	}
	defer group.Wait()
	defer stop()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var early, late uint64
	for i := range 50 {
		v := built[i%len(built)]
		_, err := b.store.PrepareReaders(t.Context(), v.ID, time.Minute)
		require.NoError(t, err)
		b.promote(t, v)
		require.Eventually(t, func() bool { return memory.Status().Version == v.ID }, 30*time.Second, time.Millisecond)
		switch {
		case i >= 5 && i < 11:
			early = max(early, heap())
		case i >= 44:
			late = max(late, heap())
		}
	}
	t.Logf("%d lists; heap %d KiB after promotions 6 to 11, %d KiB after 45 to 50", lists.Load(), early>>10, late>>10)
	assert.Less(t, float64(late), 1.1*float64(early))
}
