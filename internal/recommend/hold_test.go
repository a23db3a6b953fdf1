package recommend_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// hit is what must be the same wherever a list is made.
type hit struct {
	id    string
	rank  int
	score float64
}

func search(t *testing.T, r *recommend.Reader, req recommend.Request, asks []recommend.Ask) [][]hit {
	t.Helper()
	_, err := r.Read(t.Context(), []string{"u00001"}) // sees what is said of items
	require.NoError(t, err)
	out := make([][]hit, len(asks))
	require.NoError(t, r.Search(t.Context(), req, asks, func(i int, l recommend.List) {
		require.Nil(t, out[i], "emitted twice")
		out[i] = []hit{}
		for _, it := range l.Items {
			out[i] = append(out[i], hit{it.ItemID, it.Rank, it.Score})
		}
	}))
	return out
}

// crowd makes what is hard to rank: equal vectors, vectors that differ in the
// last digits, and none at all.
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

func asksOf(r *rand.Rand, items []postgrestest.ItemRow, dimension int) []recommend.Ask {
	asks := make([]recommend.Ask, 1+r.IntN(40))
	for i := range asks {
		asks[i].K = []int{1, 5, 20, 100, 310}[r.IntN(5)]
		if r.IntN(10) == 0 {
			continue // nothing is known: the popular items
		}
		v := make([]float32, dimension)
		for j := range v {
			v[j] = float32(r.NormFloat64())
		}
		if r.IntN(4) == 0 { // an item's own neighbourhood
			copy(v, items[r.IntN(len(items))].Vector)
		}
		asks[i].State.Vector = v
		for range r.IntN(60) {
			id := items[r.IntN(len(items))].ItemID
			if r.IntN(10) == 0 {
				id = "no such item"
			}
			asks[i].State.History.Met = append(asks[i].State.History.Met, id)
		}
	}
	return asks
}

func TestAListFromMemory(t *testing.T) {
	for _, test := range []struct{ items, dimension, rounds int }{{1, 3, 4}, {300, 16, 10}, {700, 65, 6}, {9000, 7, 4}} {
		t.Run(fmt.Sprintf("it is the list from Postgres, %d items × %d", test.items, test.dimension), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(test.items), 3))
			b := &bundle{store: postgrestest.New(t)}
			b.version = postgrestest.Build(t, b.store, postgrestest.Fixture{
				Items: test.items, Users: 20, Dimension: test.dimension, HoldoutShare: 1,
				Change: func(d *postgrestest.Data) { crowd(r, d.Items); b.data = *d },
			})
			m, err := b.store.Manifest(t.Context(), b.version.ID)
			require.NoError(t, err)
			stored, held := recommend.NewReader(b.store, b.version, m), recommend.NewReader(b.store, b.version, m)
			require.NoError(t, held.HoldItems(t.Context(), 1<<30))
			require.Equal(t, test.items, held.Held())
			for round := range test.rounds {
				asks := asksOf(r, b.data.Items, test.dimension)
				req := recommend.Request{IncludeSeen: round%4 == 2}
				want := search(t, stored, req, asks)
				require.Equal(t, want, search(t, held, req, asks), "round %d", round)

				// Seen from a Reader that holds the items already.
				for range r.IntN(min(test.items/8, 60) + 2) {
					b.say(t, r)
				}
			}
		})
	}
}

// say changes whether an item may be listed, or leaves it to the version.
func (b *bundle) say(t *testing.T, r *rand.Rand) {
	t.Helper()
	id := b.data.Items[r.IntN(len(b.data.Items))].ItemID
	if r.IntN(20) == 0 {
		id = "not in the version"
	}
	c := embeddings.ItemChange{Reset: []string{"available"}}
	if r.IntN(4) > 0 {
		available := r.IntN(3) == 0
		c = embeddings.ItemChange{Available: &available}
	}
	_, err := b.store.ChangeItem(t.Context(), id, c)
	require.NoError(t, err)
}

func TestHoldItems(t *testing.T) {
	b := setup(t, postgrestest.Fixture{})
	m, err := b.store.Manifest(t.Context(), b.version.ID)
	require.NoError(t, err)
	request := recommend.Request{K: 10}
	users := []string{"u00001", "u00002", "nobody"}
	_, err = b.store.StoreEvents(t.Context(), []events.StreamEvent{
		{Event: recsys.Event{EventID: "e1", UserID: "u00001", ItemID: "i000003", EventType: recsys.Purchase, OccurredAt: b.version.Coverage.To}},
		{Event: recsys.Event{EventID: "e2", UserID: "u00002", ItemID: "unknown", EventType: recsys.Purchase, OccurredAt: b.version.Coverage.To}},
	})
	require.NoError(t, err)
	want, err := recommend.NewReader(b.store, b.version, m).Lists(t.Context(), request, users)
	require.NoError(t, err)
	bare := func(lists []recommend.List) []recommend.List {
		for i := range lists {
			for j := range lists[i].Items {
				lists[i].Items[j].Item = recsys.Item{ItemID: lists[i].Items[j].ItemID}
			}
		}
		return lists
	}
	bare(want)

	t.Run("it makes the same lists of users", func(t *testing.T) {
		r := recommend.NewReader(b.store, b.version, m)
		_, err := r.Lists(t.Context(), request, users[:1]) // what was kept before is let go
		require.NoError(t, err)
		require.NoError(t, r.HoldItems(t.Context(), 1<<20))
		got, err := r.Lists(t.Context(), request, users)
		require.NoError(t, err)
		assert.Equal(t, want, bare(got))
		assert.True(t, r.Knows("i000003"))
		assert.False(t, r.Knows("unknown"))
	})
	t.Run("it leaves a catalogue in Postgres that does not fit", func(t *testing.T) {
		r := recommend.NewReader(b.store, b.version, m)
		require.NoError(t, r.HoldItems(t.Context(), 400*16*4))
		assert.Zero(t, r.Held())
		got, err := r.Lists(t.Context(), request, users)
		require.NoError(t, err)
		assert.Equal(t, want, bare(got))
	})
	t.Run("it finds filtered items in Postgres", func(t *testing.T) {
		r := recommend.NewReader(b.store, b.version, m)
		require.NoError(t, r.HoldItems(t.Context(), 1<<20))
		lists, err := r.Lists(t.Context(), recommend.Request{K: 10, Category: "c1"}, users[:1])
		require.NoError(t, err)
		require.Len(t, lists[0].Items, 10)
		for _, it := range lists[0].Items {
			assert.Equal(t, "c1", it.Category)
		}
	})
	t.Run("it stays as it was when the version is gone", func(t *testing.T) {
		r := recommend.NewReader(b.store, recsys.Version{ID: 999, Dimension: 16}, m)
		require.ErrorIs(t, r.HoldItems(t.Context(), 1<<20), recsys.ErrVersionGone)
		assert.Zero(t, r.Held())
	})
}
