package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// measurement queries one API, and the store directly for the exact result.
type measurement struct {
	options
	api     *apiclient.Client
	store   *embeddings.Store
	version recsys.Version
	users   []recsys.User
}

func (m measurement) run(ctx context.Context) error {
	fmt.Printf("%-28s %8s %8s %8s  %12s  %s\n", "milliseconds", "p50", "p95", "p99", "requests/s", fmt.Sprintf("recall@%d", m.k))
	for _, c := range []struct {
		name string
		ask  func(u recsys.User) apiclient.ListRequest
	}{
		{"a user", func(u recsys.User) apiclient.ListRequest { return apiclient.ListRequest{UserID: u.ID} }},
		{"a user after a click", func(u recsys.User) apiclient.ListRequest {
			return apiclient.ListRequest{UserID: u.ID, Recent: u.History.Items[:min(1, len(u.History.Items))]}
		}},
		{"a session after a click", func(u recsys.User) apiclient.ListRequest {
			return apiclient.ListRequest{Recent: u.History.Items[:min(1, len(u.History.Items))]}
		}},
		{"an unknown user", func(recsys.User) apiclient.ListRequest { return apiclient.ListRequest{UserID: "bench-unknown"} }},
	} {
		if err := m.row(ctx, c.name, c.ask); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

// row measures one kind of request: sequentially, then concurrently. Recall is
// computed for lists whose exact result follows from the version alone.
func (m measurement) row(ctx context.Context, name string, ask func(recsys.User) apiclient.ListRequest) error {
	one := func(i int) (apiclient.List, error) {
		req := ask(m.users[i%len(m.users)])
		req.K = m.k
		return m.api.Recommend(ctx, req)
	}
	for i := range min(20, len(m.users)) { // warms caches
		if _, err := one(i); err != nil {
			return err
		}
	}
	times := make([]time.Duration, m.each)
	var recalls []float64
	for i := range times {
		began := time.Now()
		list, err := one(i)
		times[i] = time.Since(began)
		if err != nil {
			return err
		}
		if i < len(m.users) && list.Stage == recommend.Personalized && len(ask(m.users[i]).Recent) == 0 {
			uncovered, err := m.uncovered(ctx, m.users[i])
			if err != nil {
				return err
			}
			if uncovered {
				continue
			}
			recall, err := m.recall(ctx, m.users[i], list)
			if err != nil {
				return err
			}
			recalls = append(recalls, recall)
		}
	}
	var group errgroup.Group
	began := time.Now()
	for c := range m.callers {
		group.Go(func() error {
			for i := c; i < m.each; i += m.callers {
				if _, err := one(i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	rate := float64(m.each) / time.Since(began).Seconds()
	recall := "–"
	if len(recalls) > 0 {
		recall = fmt.Sprintf("%.4f (%d lists)", recsys.Mean(recalls), len(recalls))
	}
	slices.Sort(times)
	at := func(p int) float64 {
		return float64(times[min(len(times)*p/100, len(times)-1)]) / float64(time.Millisecond)
	}
	fmt.Printf("%-28s %8.1f %8.1f %8.1f  %12.0f  %s\n", name, at(50), at(95), at(99), rate, recall)
	return nil
}

// uncovered reports whether a user has events that the version does not cover. Such
// a user's vector is not that of the version.
func (m measurement) uncovered(ctx context.Context, u recsys.User) (bool, error) {
	states, _, err := m.store.UserStates(ctx, m.version, []string{u.ID})
	return err != nil || len(states[0].Events) > 0, err
}

// recall compares a list with the result of an exact scan.
func (m measurement) recall(ctx context.Context, u recsys.User, list apiclient.List) (float64, error) {
	hits, err := m.store.Nearest(ctx, m.version, recsys.Query{
		Vector: u.Vector, K: m.k, Exclude: slices.Concat(u.History.Items, u.History.Seen), Exact: true,
	})
	if err != nil {
		return 0, err
	}
	found, truth := make([]float64, len(list.Items)), make([]float64, len(hits))
	for i, item := range list.Items {
		found[i] = item.Score
	}
	for i, h := range hits {
		truth[i] = h.Score
	}
	return recsys.SearchRecallAt(m.k, found, truth), nil
}
