package embeddings_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

// setOverride changes the overrides of an item.
func setOverride(t testing.TB, s *postgrestest.Store, id string, c embeddings.ItemChange) embeddings.ItemState {
	t.Helper()
	state, err := s.ChangeItem(t.Context(), id, c)
	require.NoError(t, err)
	return state
}

func TestChangeItem(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	no, title, empty := false, "A lamp", ""
	_, err := s.ItemState(t.Context(), "i")
	require.ErrorIs(t, err, recsys.ErrNotFound)

	setOverride(t, s, "i", embeddings.ItemChange{Title: &title, Tags: []string{"a", "b"}})
	st := setOverride(t, s, "i", embeddings.ItemChange{Available: &no, Category: &empty})
	require.Equal(t, []any{false, title, "", []string{"a", "b"}}, []any{*st.Available, *st.Title, *st.Category, st.Tags}, "a nil field stays as it is")
	st = setOverride(t, s, "i", embeddings.ItemChange{Tags: []string{}, Reset: []string{"title", "available"}})
	require.Nil(t, st.Available)
	require.Nil(t, st.Title)
	require.Equal(t, []string{}, st.Tags, "an override without tags differs from no override")
	again, err := s.ItemState(t.Context(), "i")
	require.NoError(t, err)
	require.Equal(t, st, again)
}

// TestOverrides_apply_to_every_read changes items at random, and compares every kind
// of result with the current overrides.
func TestOverrides_apply_to_every_read(t *testing.T) {
	t.Parallel()
	for _, method := range []recsys.Search{
		{Method: recsys.Exact},
		{Method: recsys.HNSW, M: 48, EFConstruction: 128, EFSearch: 200},
	} {
		t.Run(string(method.Method), func(t *testing.T) {
			t.Parallel()
			s := postgrestest.New(t)
			var items []postgrestest.ItemRow
			v := postgrestest.Build(t, s, postgrestest.Fixture{
				Items: 1500, Users: 50, Dimension: 32, Search: method,
				Change: func(d *postgrestest.Data) { items = d.Items },
			})
			r := rand.New(rand.NewPCG(5, 6))
			titles := map[string]string{}
			for _, i := range items {
				titles[i.ItemID] = i.Title
			}
			for range 300 {
				i := &items[r.IntN(len(items))]
				var c embeddings.ItemChange
				if r.IntN(2) == 0 {
					i.Available = !i.Available
					c.Available = &i.Available
				}
				if r.IntN(2) == 0 {
					i.Category = fmt.Sprintf("c%d", r.IntN(10)) // c8 and c9 are new
					c.Category = &i.Category
				}
				if r.IntN(2) == 0 {
					i.Tags = [][]string{{}, {"rare"}, {"even", "new"}}[r.IntN(3)]
					c.Tags = i.Tags
				}
				title := "Now " + i.ItemID
				c.Title, titles[i.ItemID] = &title, title
				setOverride(t, s, i.ItemID, c)
			}
			now := map[string]recsys.Item{}
			for _, i := range items {
				i.Title = titles[i.ItemID]
				now[i.ItemID] = i.Item
			}
			shown := func(hits []recsys.Hit) {
				for _, h := range hits {
					want := now[h.ItemID]
					require.Equal(t, []any{want.Title, want.Category, len(want.Tags), true}, []any{h.Title, h.Category, len(h.Tags), h.Available})
				}
			}
			var found, queries float64
			for range 60 {
				q := randomQuery(r, items, 32)
				if r.IntN(4) == 0 {
					q.Tags = []string{"new"}
				}
				want := bruteForce(items, nil, q)
				hits, err := s.Nearest(t.Context(), v, q)
				require.NoError(t, err)
				require.Len(t, hits, len(want))
				shown(hits)
				found += overlap(want, itemIDs(hits))
				queries++
				q.Exact = true
				hits, err = s.Nearest(t.Context(), v, q)
				require.NoError(t, err)
				require.Equal(t, 1.0, overlap(want, itemIDs(hits)))
				if len(want) > 0 {
					walked, err := embeddings.Walk(t.Context(), s.EmbeddingStore, v, q)
					require.NoError(t, err)
					shown(walked)
					eligible := q
					eligible.K = len(items)
					for _, id := range itemIDs(walked) {
						require.Contains(t, bruteForce(items, nil, eligible), id)
					}
				}
				popular, err := s.Popular(t.Context(), v, q)
				require.NoError(t, err)
				require.Len(t, popular, len(want))
				shown(popular)
			}
			require.GreaterOrEqual(t, found/queries, 0.98)

			all, err := s.Popular(t.Context(), v, recsys.Query{K: len(items)})
			require.NoError(t, err)
			for _, place := range []int{0, 17, len(all) - 1} {
				popularity, rank, err := s.Popularity(t.Context(), v, all[place].ItemID)
				require.NoError(t, err)
				require.Equal(t, []any{all[place].Score, int64(place + 1)}, []any{popularity, rank})
			}
			item, _, err := s.Item(t.Context(), v, items[3].ItemID)
			require.NoError(t, err)
			require.Equal(t, now[item.ItemID].Category, item.Category)
			require.Equal(t, now[item.ItemID].Title, item.Title)
		})
	}
}

// TestNearest_matches_an_exact_scan_at_any_selectivity checks a guarantee of the
// API: exactly min(K, eligible) items, those of an exact scan.
func TestNearest_matches_an_exact_scan_at_any_selectivity(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	var data *postgrestest.Data
	steps := map[string]int{"all": 1, "tenth": 10, "hundredth": 100, "thousandth": 1000}
	v := postgrestest.Build(t, s, postgrestest.Fixture{
		Items: 6000, Users: 100, Dimension: 8, Search: recsys.Search{Method: recsys.HNSW, M: 48, EFConstruction: 128, EFSearch: 200},
		Change: func(d *postgrestest.Data) {
			data = d
			for i := range d.Items {
				d.Items[i].Available = true
				for tag, step := range steps {
					if i%step == 0 {
						d.Items[i].Tags = append(d.Items[i].Tags, tag)
					}
				}
			}
		},
	})
	for tag, eligible := range map[string]int{"": 6000, "all": 6000, "tenth": 600, "hundredth": 60, "thousandth": 6, "none": 0} {
		var found, lists float64
		for _, u := range data.Users[:60] {
			for _, k := range []int{10, 100} {
				q := recsys.Query{Vector: u.Vector, K: k}
				if tag != "" {
					q.Tags = []string{tag}
				}
				hits, err := s.Nearest(t.Context(), v, q)
				require.NoError(t, err)
				require.Len(t, hits, min(k, eligible), tag)
				q.Exact = true
				exact, err := s.Nearest(t.Context(), v, q)
				require.NoError(t, err)
				require.Len(t, exact, min(k, eligible), tag)
				found += overlap(itemIDs(exact), itemIDs(hits))
				lists++
			}
		}
		require.GreaterOrEqual(t, found/lists, 0.98, tag)
	}
}

// TestNearest_uses_indexes_for_filters checks the plan: with overrides, a search
// for few items must not scan all of them.
func TestNearest_uses_indexes_for_filters(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 6000, Users: 20, Dimension: 16})
	for n := range 200 {
		category := fmt.Sprintf("c%d", n%8)
		setOverride(t, s, fmt.Sprintf("i%06d", n), embeddings.ItemChange{Category: &category})
	}
	q := recsys.Query{Vector: make([]float32, 16), K: 10}
	for _, f := range []func(){func() { q.Category, q.Tags = "c7", nil }, func() { q.Category, q.Tags = "", []string{"rare"} }} {
		f()
		plan := embeddings.Explain(t, s.EmbeddingStore, v, q)
		require.Contains(t, plan, "BitmapOr", plan)
		require.False(t, slices.ContainsFunc(strings.Split(plan, "\n"), func(line string) bool {
			return strings.Contains(line, "Seq Scan on items i")
		}), plan)
	}
}
