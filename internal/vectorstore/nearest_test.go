package vectorstore_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
	"github.com/recflow/recflow/internal/vectorstore/vectorstoretest"
)

// bruteForce is the answer that Nearest must give.
func bruteForce(items []vectorstoretest.ItemRow, override map[string]bool, q vectorstore.Query) (ids []string) {
	score := map[string]float64{}
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

func itemIDs(hits []vectorstore.Hit) []string {
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

func randomQuery(r *rand.Rand, items []vectorstoretest.ItemRow, dimension int) vectorstore.Query {
	q := vectorstore.Query{K: 1 + r.IntN(60), Vector: make([]float32, dimension)}
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

func TestNearestReturnsWhatIsEligibleAtAnySelectivity(t *testing.T) {
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
			s := vectorstoretest.New(t)
			var items []vectorstoretest.ItemRow
			v := vectorstoretest.Build(t, s, vectorstoretest.Fixture{
				Items: 1500, Users: 50, Dimension: test.dimension, Search: test.search,
				Change: func(d *vectorstoretest.Data) { items = d.Items },
			})
			override := map[string]bool{items[1].ItemID: false, items[29].ItemID: true, items[0].ItemID: true}
			for id, available := range override {
				say(t, s, id, vectorstore.ItemChange{Available: &available})
			}
			r := rand.New(rand.NewPCG(1, 2))
			var found, queries float64
			for range 100 {
				q := randomQuery(r, items, test.dimension)
				want := bruteForce(items, override, q)
				hits, err := s.Nearest(t.Context(), v, q)
				require.NoError(t, err)
				require.Len(t, hits, len(want))
				require.True(t, slices.IsSortedFunc(hits, func(a, b vectorstore.Hit) int { return cmp.Compare(b.Score, a.Score) }))
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

func TestNearestBreaksTiesByItemID(t *testing.T) {
	t.Parallel()
	s := vectorstoretest.New(t)
	v := vectorstoretest.Build(t, s, vectorstoretest.Fixture{Items: 40, Users: 10, Change: func(d *vectorstoretest.Data) {
		for i := range d.Items {
			d.Items[i].Vector = d.Items[0].Vector
			d.Items[i].Available = true
		}
	}})
	user, err := s.User(t.Context(), v, "u00001")
	require.NoError(t, err)
	hits, err := s.Nearest(t.Context(), v, vectorstore.Query{Vector: user.Vector, K: 40})
	require.NoError(t, err)
	require.Len(t, hits, 40)
	require.True(t, slices.IsSorted(itemIDs(hits)))
}

func TestNearestManyAnswersInOrder(t *testing.T) {
	t.Parallel()
	s := vectorstoretest.New(t)
	var items []vectorstoretest.ItemRow
	v := vectorstoretest.Build(t, s, vectorstoretest.Fixture{
		Items: 600, Users: 20, Search: recsys.Search{Method: recsys.HNSW, M: 16, EFConstruction: 64, EFSearch: 100},
		Change: func(d *vectorstoretest.Data) { items = d.Items },
	})
	r := rand.New(rand.NewPCG(3, 4))
	queries := make([]vectorstore.Query, 20)
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

func TestPopularRanksWhatIsEligible(t *testing.T) {
	t.Parallel()
	s := vectorstoretest.New(t)
	v := vectorstoretest.Build(t, s, vectorstoretest.Fixture{})
	all, err := s.Popular(t.Context(), v, vectorstore.Query{K: 1000})
	require.NoError(t, err)
	require.Len(t, all, 400-14, "every 29th item is unavailable")
	require.True(t, slices.IsSortedFunc(all, func(a, b vectorstore.Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ItemID, b.ItemID))
	}))
	some, err := s.Popular(t.Context(), v, vectorstore.Query{K: 5, Category: "c1", Exclude: []string{all[0].ItemID}})
	require.NoError(t, err)
	require.Len(t, some, 5)
	for _, h := range some {
		require.Equal(t, "c1", h.Category)
		require.NotEqual(t, all[0].ItemID, h.ItemID)
	}
}
