package harnesstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// recorder is a testing.TB that records what is reported to it.
type recorder struct {
	testing.TB
	logs, errors []string
	cleanups     []func()
	failed       bool
}

func (r *recorder) Helper()                   {}
func (r *recorder) Cleanup(f func())          { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Logf(f string, a ...any)   { r.logs = append(r.logs, fmt.Sprintf(f, a...)) }
func (r *recorder) Error(a ...any)            { r.errors = append(r.errors, fmt.Sprint(a...)) }
func (r *recorder) Errorf(f string, a ...any) { r.errors = append(r.errors, fmt.Sprintf(f, a...)) }
func (r *recorder) Fatalf(f string, a ...any) { r.Errorf(f, a...) }
func (r *recorder) Failed() bool              { return r.failed }
func (r *recorder) Skipped() bool             { return false }

func (r *recorder) end() {
	for _, f := range r.cleanups {
		f()
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		inject []string
		failed bool // the test, before it ended
		log    string
		errors []string
	}{
		"it logs the counts of every kind": {inject: []string{"kill", "hang", "kill"}, log: "injected faults: hang 1×, kill 2×"},
		"it fails a test that injects nothing": {log: "injected faults: none",
			errors: []string{"the test injected no fault", `the test injected no fault of kind "kill"`}},
		"it fails a test that does not inject a promised kind": {inject: []string{"hang"}, log: "injected faults: hang 1×",
			errors: []string{`the test injected no fault of kind "kill"`}},
		"it adds nothing to a failure": {failed: true, log: "injected faults: none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{failed: c.failed}
			f := CountFaults(r, "kill")
			var group sync.WaitGroup
			for _, kind := range c.inject {
				group.Go(func() { f.Inject(kind) })
			}
			group.Wait()
			r.end()
			require.Equal(t, []string{c.log}, r.logs)
			require.Equal(t, c.errors, r.errors)
		})
	}
	t.Run("it accepts a later promise", func(t *testing.T) {
		t.Parallel()
		r := &recorder{}
		f := CountFaults(r)
		f.Promise("hang")
		f.Inject("kill")
		require.Equal(t, 1, f.Injected("kill"))
		r.end()
		require.Equal(t, []string{`the test injected no fault of kind "hang"`}, r.errors)
	})
}

func TestEventually(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, began, calls := &recorder{}, time.Now(), 0
		Eventually(r, "three calls", func() bool { calls++; return calls == 3 })
		require.Empty(t, r.errors)
		require.Equal(t, 2*interval, time.Since(began), "it checks at once")

		Eventually(r, "the end", func() bool { return false })
		require.Equal(t, []string{"timed out after 1m30s waiting for: the end"}, r.errors)
		require.Equal(t, 2*interval+timeout, time.Since(began))
	})
}

func TestPoll_says_why_it_ended(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("the process is gone")
	require.ErrorIs(t, Poll(ctx, time.Millisecond, func() bool { cancel(gone); return false }), gone)
}

func TestPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		require.True(t, Pause(ctx, time.Minute))
		require.False(t, Pause(ctx, time.Minute))
	})
}
