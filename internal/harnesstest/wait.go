// Package harnesstest has what tests of several packages share: waiting for a
// condition, a buffer that is read while it is written, and counts of injected
// faults. It does not depend on recflow; the harness of one part is in a package
// next to that part.
package harnesstest

import (
	"context"
	"testing"
	"time"
)

// Poll calls ok at once and then at intervals, in the caller's goroutine, until it
// returns true or ctx ends.
func Poll(ctx context.Context, every time.Duration, ok func() bool) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

const (
	// timeout is long enough for a loaded machine; a passing test does not wait for
	// it.
	timeout  = 90 * time.Second
	interval = 5 * time.Millisecond
)

// Eventually fails the test unless ok returns true within 90 seconds. Unlike
// testify's it checks at once and calls ok in the test's goroutine, so ok may fail
// the test. It also works in a cleanup, after t.Context has ended.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := Poll(ctx, interval, ok); err != nil {
		t.Fatalf("timed out after %s waiting for: %s", timeout, what)
	}
}

// Pause waits for d and returns true, or returns false as soon as ctx ends. Use it
// only for random delays; otherwise wait for a condition.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
