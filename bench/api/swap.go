package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres/versions"
)

// pause is the time between two promotions, and the length of the part without one.
const pause = 3 * time.Second

// swap compares the latencies of single requests without and with promotions, each of
// which the API prepares while it serves.
func (m measurement) swap(ctx context.Context, store *versions.Store) error {
	steady, err := m.during(ctx, func(ctx context.Context) error {
		wait(ctx, time.Duration(m.swaps)*pause/2)
		return nil
	})
	if err != nil {
		return err
	}
	swapped, err := m.during(ctx, func(ctx context.Context) error {
		for i := range m.swaps {
			if err := promote(ctx, store, m.version.ID+int64((i+1)%2)); err != nil {
				return err
			}
			wait(ctx, pause)
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Printf("\n%-28s %8s %8s %8s %8s %8s  %10s\n", "milliseconds, one caller", "p50", "p95", "p99", "p99.9", "slowest", "requests")
	for _, part := range []struct {
		name  string
		times []time.Duration
	}{{"no promotion", steady}, {fmt.Sprintf("%d promotions", m.swaps), swapped}} {
		slices.Sort(part.times)
		at := func(share float64) float64 {
			return float64(part.times[int(share*float64(len(part.times)-1))]) / float64(time.Millisecond)
		}
		fmt.Printf("%-28s %8.1f %8.1f %8.1f %8.1f %8.1f  %10d\n", part.name, at(0.5), at(0.95), at(0.99), at(0.999), at(1), len(part.times))
	}
	return nil
}

// during returns the latencies of requests, one after the other, while do runs.
func (m measurement) during(ctx context.Context, do func(context.Context) error) (times []time.Duration, err error) {
	group, running := errgroup.WithContext(ctx)
	running, stop := context.WithCancel(running)
	group.Go(func() error {
		defer stop()
		return do(running)
	})
	for i := 0; running.Err() == nil; i++ {
		began := time.Now()
		if _, err := m.api.Recommend(ctx, apiclient.ListRequest{UserID: m.users[i%len(m.users)].ID, K: m.k}); err != nil {
			stop()
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	return times, group.Wait()
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
