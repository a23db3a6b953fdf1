package embeddings_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

// TestNearest_graph_against_exact_scan prints the measurements that the limits in
// plan.go are based on: recall@20 and latency of both plans, by the share of
// eligible items. It runs in the long form of the store's tests;
// docs/decisions/0010-search-in-postgres.md has the numbers.
func TestNearest_graph_against_exact_scan(t *testing.T) {
	if !*postgrestest.Soak {
		t.Skip("only with -soak")
	}
	s := postgrestest.New(t)
	began := time.Now()
	v := postgrestest.Build(t, s, postgrestest.Fixture{
		Items: 20_000, Users: 400, Dimension: 64,
		Search: recsys.Search{Method: recsys.HNSW, M: 48, EFConstruction: 128, EFSearch: 200},
	})
	t.Logf("built in %s", time.Since(began).Round(time.Millisecond))
	users, err := s.SampleUsers(t.Context(), v, 100, "soak")
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(5, 6))
	for _, category := range []string{"", "c0", "c1", "c2", "c3", "c4", "c5", "c6"} {
		var walk, scan []time.Duration
		var recall float64
		for _, u := range users {
			q := recsys.Query{Vector: u.Vector, K: 20, Category: category, Exclude: u.History.Items[:r.IntN(len(u.History.Items))]}
			start := time.Now()
			found, err := embeddings.Walk(t.Context(), s.EmbeddingStore, v, q)
			require.NoError(t, err)
			walk = append(walk, time.Since(start))
			q.Exact = true
			start = time.Now()
			exact, err := s.Nearest(t.Context(), v, q)
			require.NoError(t, err)
			scan = append(scan, time.Since(start))
			recall += overlap(itemIDs(exact), itemIDs(found)) / float64(len(users))
		}
		t.Logf("category %-3q graph: recall@20 %.4f, median %s, worst %s; exact: median %s, worst %s",
			category, recall, median(walk), slices.Max(walk), median(scan), slices.Max(scan))
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
