// Package harnesstest is what the tests of several packages share: waiting for a
// condition, a log that is read while it is written, and a count of the faults
// that a test injects. It knows nothing of recflow; harnesses of one part are in
// packages beside that part.
package harnesstest

import (
	"context"
	"testing"
	"time"
)

// Poll calls ok at once and then every so often, in the caller's goroutine, until
// it returns true or ctx ends.
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
	// timeout is long enough for a slow machine that runs other tests too; a test
	// that passes does not wait for it.
	timeout  = 90 * time.Second
	interval = 5 * time.Millisecond
)

// Eventually fails the test unless ok returns true within a minute and a half.
// Unlike testify's it looks at once and calls ok in the test's goroutine, so that ok
// may itself fail the test. It also works in a cleanup, when t.Context has ended.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := Poll(ctx, interval, ok); err != nil {
		t.Fatalf("timed out after %s waiting for: %s", timeout, what)
	}
}

// Pause waits for d and reports true, or false as soon as ctx ends. It is for tests
// whose point is a random moment; others wait for a condition.
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
