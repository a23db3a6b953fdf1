package events

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/recflow/recflow/internal/apiclient"
)

const (
	pollEvery = 100 * time.Millisecond // for verdicts
	maxPoll   = 6000                   // events per request, so that it does not occupy the stream's database
)

// waitFlags configure whether and how long to wait for verdicts.
type waitFlags struct {
	wait    bool
	timeout time.Duration
}

func (f *waitFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.wait, "wait", false, "wait until each event has its verdict")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "with --wait: longest time from the last event sent to its verdict")
}

// States of a verdict that are used here.
const (
	unknown     = "unknown" // no verdict
	quarantined = "quarantined"
)

// fate is the outcome of an event.
type fate struct{ verdict, reason string }

// waiter polls the verdicts of events while more are sent.
type waiter struct {
	look func(context.Context, []apiclient.EventKey) (apiclient.Verdicts, error)

	mu       sync.Mutex
	sent     map[apiclient.EventKey]time.Time // events without a verdict
	queue    []apiclient.EventKey             // the same, in the order to poll
	latency  map[fate][]time.Duration         // from sending to verdict
	earlier  int                              // events that had a verdict before they were sent
	repeated int                              // events that were sent again without a verdict
	invalid  map[string]bool                  // ids of events that were quarantined since they were sent, at most maxLookFor
	found    int
	err      error // error of the last request
}

func newWaiter(api *apiclient.Client) *waiter {
	return &waiter{look: api.Verdicts, sent: map[apiclient.EventKey]time.Time{}, latency: map[fate][]time.Duration{}, invalid: map[string]bool{}}
}

// expect waits for the verdict of an event that was sent at the given time.
func (w *waiter) expect(key apiclient.EventKey, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, again := w.sent[key]; again {
		w.repeated++
		return
	}
	w.sent[key] = at
	w.queue = append(w.queue, key)
}

// done returns the number of events with a verdict.
func (w *waiter) done() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.found
}

// missing returns the number of events without a verdict.
func (w *waiter) missing() (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sent), w.err
}

// run polls until ctx ends, or until finish is closed and nothing is missing or
// the timeout has passed since. A temporary failure of the API does not stop
// it: verdicts are retained.
func (w *waiter) run(ctx context.Context, finish <-chan struct{}, timeout time.Duration, show func()) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	var end <-chan time.Time
	for {
		w.pollOnce(ctx, maxPoll)
		if n, _ := w.missing(); n == 0 && end != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-finish:
			finish, end = nil, time.After(timeout)
		case <-end:
			w.pollOnce(ctx, math.MaxInt)
			return nil
		case <-ticker.C:
			if end != nil {
				show()
			}
		}
	}
}

// pollOnce requests the verdicts of at most `most` events that have none yet.
func (w *waiter) pollOnce(ctx context.Context, most int) {
	w.mu.Lock()
	left := min(len(w.queue), most)
	w.mu.Unlock()
	for left > 0 && ctx.Err() == nil {
		w.mu.Lock()
		n := min(left, apiclient.MaxEventKeys)
		keys := slices.Clone(w.queue[:n])
		w.mu.Unlock()
		left -= n
		found, err := w.look(ctx, keys)
		if err == nil && len(found.Items) != n {
			err = fmt.Errorf("the API returned %d verdicts for %d events", len(found.Items), n)
		}
		w.mu.Lock()
		if w.err = err; err == nil {
			w.settle(keys, found.Items)
		}
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// settle processes the verdicts of the first keys of the queue, and moves the
// keys without one to its end.
func (w *waiter) settle(keys []apiclient.EventKey, found []apiclient.Verdict) {
	w.queue = w.queue[len(keys):]
	for i, v := range found {
		key := keys[i]
		if v.State == unknown {
			w.queue = append(w.queue, key)
			continue
		}
		f := fate{v.State, v.Reason}
		took := v.DecidedAt.Sub(w.sent[key])
		delete(w.sent, key)
		w.found++
		if took < 0 {
			w.earlier++
			took = -1
		} else if v.State == quarantined && len(w.invalid) < maxLookFor {
			w.invalid[key.EventID] = true
		}
		w.latency[f] = append(w.latency[f], took)
	}
}

// quantiles returns the p50, p95 and p99 of durations, by nearest rank. It
// ignores negative ones; ok is false if none is left.
func quantiles(all []time.Duration) (q [3]time.Duration, ok bool) {
	sorted := slices.DeleteFunc(slices.Clone(all), func(d time.Duration) bool { return d < 0 })
	if len(sorted) == 0 {
		return q, false
	}
	slices.Sort(sorted)
	for i, p := range []float64{0.5, 0.95, 0.99} {
		q[i] = sorted[int(math.Ceil(p*float64(len(sorted))))-1]
	}
	return q, true
}
