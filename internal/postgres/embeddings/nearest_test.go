package embeddings_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
	memory "github.com/recflow/recflow/internal/search"
)

// bruteForce returns the result that Nearest must return.
func bruteForce(items []postgrestest.ItemRow, override map[string]bool, q recsys.Query) []string {
	ids, score := []string{}, map[string]float64{}
	for _, item := range items {
		available, overridden := override[item.ItemID]
		if !overridden {
			available = item.Available
		}
		hasTags := !slices.ContainsFunc(q.Tags, func(tag string) bool { return !slices.Contains(item.Tags, tag) })
		if !available || !hasTags || slices.Contains(q.Exclude, item.ItemID) || q.Category != "" && q.Category != item.Category {
			continue
		}
		ids = append(ids, item.ItemID)
		score[item.ItemID] = dot(q.Vector, item.Vector)
		if q.Beta > 0 {
			score[item.ItemID] = recsys.SimilarScore(q.Vector, item.Vector, q.Beta)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Or(cmp.Compare(score[b], score[a]), cmp.Compare(a, b)) })
	return ids[:min(q.K, len(ids))]
}

// dot sums in float32, as pgvector does.
func dot(a, b []float32) float64 {
	var sum float32
	for i := range a {
		sum += a[i] * b[i]
	}
	return float64(sum)
}

func itemIDs(hits []recsys.Hit) []string {
	ids := make([]string, len(hits))
	for i, h := range hits {
		ids[i] = h.ItemID
	}
	return ids
}

// overlap is the share of want that is in got.
func overlap(want, got []string) float64 {
	if len(want) == 0 {
		return 1
	}
	n := 0
	for _, id := range want {
		if slices.Contains(got, id) {
			n++
		}
	}
	return float64(n) / float64(len(want))
}

func randomQuery(r *rand.Rand, items []postgrestest.ItemRow, dimension int) recsys.Query {
	q := recsys.Query{K: 1 + r.IntN(60), Vector: make([]float32, dimension)}
	for i := range q.Vector {
		q.Vector[i] = float32(r.NormFloat64())
	}
	if r.IntN(2) == 0 {
		q.Category = fmt.Sprintf("c%d", r.IntN(9)) // c8 does not exist
	}
	if r.IntN(3) == 0 {
		q.Tags = []string{[]string{"even", "rare"}[r.IntN(2)]}
	}
	for range r.IntN(200) {
		q.Exclude = append(q.Exclude, items[r.IntN(len(items))].ItemID)
	}
	return q
}

func TestNearest_returns_eligible_items_at_any_selectivity(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		dimension int
		search    recsys.Search
		recall    float64
	}{
		{"exactly", 16, recsys.Search{Method: recsys.Exact}, 1},
		{"from the graph", 32, recsys.Search{Method: recsys.HNSW, M: 24, EFConstruction: 64, EFSearch: 200}, 0.98},
		{"from the graph of half vectors", 32, recsys.Search{Method: recsys.HNSW, M: 24, EFConstruction: 64, EFSearch: 200, HalfVector: true}, 0.98},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := postgrestest.New(t)
			var items []postgrestest.ItemRow
			v := postgrestest.Build(t, s, postgrestest.Fixture{
				Items: 1500, Users: 50, Dimension: test.dimension, Search: test.search,
				Change: func(d *postgrestest.Data) { items = d.Items },
			})
			override := map[string]bool{items[1].ItemID: false, items[29].ItemID: true, items[0].ItemID: true}
			for id, available := range override {
				setOverride(t, s, id, embeddings.ItemChange{Available: &available})
			}
			r := rand.New(rand.NewPCG(1, 2))
			var found, queries float64
			for range 100 {
				q := randomQuery(r, items, test.dimension)
				want := bruteForce(items, override, q)
				hits, err := s.Nearest(t.Context(), v, q)
				require.NoError(t, err)
				require.Len(t, hits, len(want))
				require.True(t, slices.IsSortedFunc(hits, func(a, b recsys.Hit) int { return cmp.Compare(b.Score, a.Score) }))
				found += overlap(want, itemIDs(hits))
				queries++

				q.Exact = true
				exact, err := s.Nearest(t.Context(), v, q)
				require.NoError(t, err)
				require.Equal(t, 1.0, overlap(want, itemIDs(exact)))
			}
			require.GreaterOrEqual(t, found/queries, test.recall)
		})
	}
}

// TestNearest_ranks_similar_items_exactly has norms that differ, and vectors of zeros.
// The index, which orders by inner product, is not used.
func TestNearest_ranks_similar_items_exactly(t *testing.T) {
	t.Parallel()
	for _, search := range []recsys.Search{{Method: recsys.Exact}, {Method: recsys.HNSW, M: 24, EFConstruction: 64, EFSearch: 200}} {
		t.Run(search.Method, func(t *testing.T) {
			t.Parallel()
			s := postgrestest.New(t)
			var items []postgrestest.ItemRow
			r := rand.New(rand.NewPCG(3, 4))
			v := postgrestest.Build(t, s, postgrestest.Fixture{
				Items: 1500, Users: 20, Dimension: 16, Search: search,
				Change: func(d *postgrestest.Data) {
					for i := range d.Items {
						factor := float32(r.ExpFloat64())
						if i%100 == 0 {
							factor = 0
						}
						for j := range d.Items[i].Vector {
							d.Items[i].Vector[j] *= factor
						}
					}
					items = d.Items
				},
			})
			b := memory.NewBuilder(v.Dimension, v.Items)
			require.NoError(t, s.EachItem(t.Context(), v, b.Add))
			index, err := b.Build()
			require.NoError(t, err)
			for n := range 100 {
				q := randomQuery(r, items, 16)
				q.Beta = recsys.Betas()[1+n%4]
				hits, err := s.Nearest(t.Context(), v, q)
				require.NoError(t, err)
				require.Equal(t, bruteForce(items, nil, q), itemIDs(hits))
				inMemory, err := index.View().Search(q)
				require.NoError(t, err)
				require.Equal(t, inMemory, hits)
			}
		})
	}
}

func TestNearest_breaks_ties_by_item_id(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 40, Users: 10, Change: func(d *postgrestest.Data) {
		for i := range d.Items {
			d.Items[i].Vector = d.Items[0].Vector
			d.Items[i].Available = true
		}
	}})
	user, err := s.User(t.Context(), v, "u00001")
	require.NoError(t, err)
	hits, err := s.Nearest(t.Context(), v, recsys.Query{Vector: user.Vector, K: 40})
	require.NoError(t, err)
	require.Len(t, hits, 40)
	require.True(t, slices.IsSorted(itemIDs(hits)))
}

func TestNearestMany_returns_results_in_order(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	var items []postgrestest.ItemRow
	v := postgrestest.Build(t, s, postgrestest.Fixture{
		Items: 600, Users: 20, Search: recsys.Search{Method: recsys.HNSW, M: 16, EFConstruction: 64, EFSearch: 100},
		Change: func(d *postgrestest.Data) { items = d.Items },
	})
	r := rand.New(rand.NewPCG(3, 4))
	queries := make([]recsys.Query, 20)
	for i := range queries {
		queries[i] = randomQuery(r, items, 16)
	}
	queries[7].K = 0
	many, err := s.NearestMany(t.Context(), v, queries)
	require.NoError(t, err)
	require.Len(t, many, len(queries))
	for i, q := range queries {
		one, err := s.Nearest(t.Context(), v, q)
		require.NoError(t, err)
		require.Equal(t, one, many[i])
	}
}

func TestPopular_ranks_eligible_items(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := postgrestest.Build(t, s, postgrestest.Fixture{})
	all, err := s.Popular(t.Context(), v, recsys.Query{K: 1000})
	require.NoError(t, err)
	require.Len(t, all, 400-14, "every 29th item is unavailable")
	require.True(t, slices.IsSortedFunc(all, func(a, b recsys.Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ItemID, b.ItemID))
	}))
	some, err := s.Popular(t.Context(), v, recsys.Query{K: 5, Category: "c1", Exclude: []string{all[0].ItemID}})
	require.NoError(t, err)
	require.Len(t, some, 5)
	for _, h := range some {
		require.Equal(t, "c1", h.Category)
		require.NotEqual(t, all[0].ItemID, h.ItemID)
	}
}

func TestNearest_uses_the_expected_index(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	for _, half := range []bool{false, true} {
		search := recsys.Search{Method: recsys.HNSW, M: 8, EFConstruction: 32, EFSearch: 100, HalfVector: half}
		v := postgrestest.Build(t, s, postgrestest.Fixture{
			RunID: fmt.Sprint("half-", half), Items: 2000, Users: 10, Search: search,
		})
		vector := make([]float32, 16)
		vector[0] = 1
		plain := recsys.Query{Vector: vector, K: 10, Exclude: []string{"i000001", "i000002"}}
		category, tag, exact := plain, plain, plain
		category.Category = "c3"
		tag.Tags = []string{"rare"}
		exact.Exact = true

		require.Contains(t, embeddings.Explain(t, s.EmbeddingStore, v, plain), "Index Scan using items_embedding")
		require.NotContains(t, embeddings.Explain(t, s.EmbeddingStore, v, exact), "items_embedding")
		for _, q := range []recsys.Query{category, tag} {
			few := embeddings.Explain(t, s.EmbeddingStore, v, q)
			require.NotContains(t, few, "items_embedding")
			require.True(t, strings.Contains(few, "items_category") || strings.Contains(few, "items_tags"), few)
			require.Contains(t, embeddings.ExplainWalk(t, s.EmbeddingStore, v, q), "Index Scan using items_embedding", "a large category walks the graph")
		}
	}
}
