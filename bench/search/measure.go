package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/search"
)

// measure prints recall and latency of the version's own search and of an exact
// scan.
func measure(ctx context.Context, o options, db *postgres.DB, v recsys.Version) error {
	store := embeddings.New(db)
	users, err := store.SampleUsers(ctx, v, o.users, "bench search")
	if err != nil {
		return err
	}
	if len(users) == 0 {
		return fmt.Errorf("version %d has no user with a vector", v.ID)
	}
	fmt.Printf("version %d: %d items × %d, %d users, k %d, %s\n\n", v.ID, v.Items, v.Dimension, len(users), o.k, describe(v.Search))
	view, err := inMemory(ctx, store, v)
	if err != nil {
		return err
	}
	fmt.Printf("%-22s %10s %10s  %20s  %20s  %15s  %22s  %s\n", "", fmt.Sprintf("recall@%d", o.k), "recall@20", "index p50 / p95", "exact p50 / p95", "exact ÷ index",
		"in memory p50 / p95", "index ÷ in memory")
	for _, c := range []struct {
		name  string
		query func(recsys.User) recsys.Query
	}{
		{"all items", func(u recsys.User) recsys.Query {
			return recsys.Query{Vector: u.Vector, K: o.k}
		}},
		{"without the user's own", func(u recsys.User) recsys.Query {
			return recsys.Query{Vector: u.Vector, K: o.k, Exclude: slices.Concat(u.History.Items, u.History.Seen)}
		}},
	} {
		row, err := compare(ctx, store, view, v, users, o.k, c.query)
		if err != nil {
			return err
		}
		row.print(c.name)
	}
	return printSize(ctx, versions.New(db), v)
}

// inMemory reads the items of a version into memory, with the overrides.
func inMemory(ctx context.Context, store *embeddings.Store, v recsys.Version) (*search.View, error) {
	began := time.Now()
	b := search.NewBuilder(v.Dimension, v.Items)
	if err := store.EachItem(ctx, v, b.Add); err != nil {
		return nil, err
	}
	x, err := b.Build()
	if err != nil {
		return nil, err
	}
	changes, err := store.OverridesSince(ctx, recsys.OverrideRevision{})
	if err != nil {
		return nil, err
	}
	fmt.Printf("loaded into memory in %.1f s, %d MiB, %.2f × the vectors\n", time.Since(began).Seconds(), x.Bytes()>>20, float64(x.Bytes())/float64(4*v.Items*int64(v.Dimension)))
	return x.View().With(changes.Overrides), nil
}

// printSize prints the version's size on disk, total and per item.
func printSize(ctx context.Context, store *versions.Store, v recsys.Version) error {
	size, err := store.Size(ctx, v.ID)
	if err != nil {
		return err
	}
	const mib = 1 << 20
	fmt.Printf("\non disk: items %d MiB (%d bytes each), their graph %d MiB (%d bytes each), users %d MiB, hold-out %d MiB\n",
		size.Items/mib, size.Items/max(1, v.Items), size.Graph/mib, size.Graph/max(1, v.Items), size.Users/mib, size.Holdout/mib)
	return nil
}

// row is one line of the result. Times are of single queries, round trip included.
type row struct {
	recall, recall20     float64
	index, exact, memory []time.Duration
}

// compare answers every query in all ways, one right after the other, so that other
// load on the machine slows all of them. The search in memory must find the same as
// the exact scan.
func compare(ctx context.Context, store *embeddings.Store, view *search.View, v recsys.Version, users []recsys.User, k int, query func(recsys.User) recsys.Query) (row, error) {
	var r row
	var recalls, recalls20 []float64
	for i, u := range slices.Concat(users[:min(20, len(users))], users) { // the first queries warm the caches
		q := query(u)
		found, took, err := timed(ctx, store, v, q)
		if err != nil {
			return r, err
		}
		q.Exact = true
		truth, tookExact, err := timed(ctx, store, v, q)
		if err != nil {
			return r, err
		}
		began := time.Now()
		hits, err := view.Search(q)
		tookMemory := time.Since(began)
		if err != nil {
			return r, err
		}
		if !slices.Equal(scoresOf(hits), truth) {
			return r, fmt.Errorf("query %d: the search in memory has another list than the exact scan", i)
		}
		if i < min(20, len(users)) {
			continue
		}
		r.index, r.exact, r.memory = append(r.index, took), append(r.exact, tookExact), append(r.memory, tookMemory)
		recalls = append(recalls, recsys.SearchRecallAt(k, found, truth))
		recalls20 = append(recalls20, recsys.SearchRecallAt(20, found, truth))
	}
	r.recall, r.recall20 = recsys.Mean(recalls), recsys.Mean(recalls20)
	return r, nil
}

func timed(ctx context.Context, store *embeddings.Store, v recsys.Version, q recsys.Query) ([]float64, time.Duration, error) {
	began := time.Now()
	hits, err := store.Nearest(ctx, v, q)
	took := time.Since(began)
	return scoresOf(hits), took, err
}

func scoresOf(hits []recsys.Hit) []float64 {
	scores := make([]float64, len(hits))
	for i, h := range hits {
		scores[i] = h.Score
	}
	return scores
}

func (r row) print(name string) {
	ratios := func(a, b []time.Duration) string {
		return fmt.Sprintf("%.1f / %.1f", float64(percentile(a, 50))/float64(percentile(b, 50)), float64(percentile(a, 95))/float64(percentile(b, 95)))
	}
	fmt.Printf("%-22s %10.4f %10.4f  %20s  %20s  %15s  %22s  %s\n", name, r.recall, r.recall20,
		pair(r.index), pair(r.exact), ratios(r.exact, r.index), pair(r.memory), ratios(r.index, r.memory))
}

func pair(d []time.Duration) string {
	return fmt.Sprintf("%.2f / %.2f ms", milliseconds(percentile(d, 50)), milliseconds(percentile(d, 95)))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func percentile(d []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}

func describe(s recsys.Search) string {
	if s.Method != recsys.HNSW {
		return s.Method
	}
	return fmt.Sprintf("hnsw m %d, ef_construction %d, ef_search %d", s.M, s.EFConstruction, s.EFSearch)
}
