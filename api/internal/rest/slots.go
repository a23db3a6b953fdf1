package rest

import (
	"context"
	"net/http"
	"time"
)

// Slots limits how many operations of a kind run at the same time, so that a slow
// dependency fills neither the memory nor the connections to the database. It is
// safe for concurrent use. A nil *Slots limits nothing.
type Slots struct {
	taken chan struct{}
	wait  time.Duration
}

// NewSlots returns n slots. An operation waits for one at most as long as wait.
func NewSlots(n int, wait time.Duration) *Slots {
	return &Slots{taken: make(chan struct{}, n), wait: wait}
}

// Take takes a slot, which the caller gives back with release. It returns a problem
// with status 503 if none becomes free in time.
func (s *Slots) Take(ctx context.Context) (release func(), err error) {
	if s == nil {
		return func() {}, nil
	}
	release = func() { <-s.taken }
	select {
	case s.taken <- struct{}{}:
		return release, nil
	default:
	}
	timer := time.NewTimer(s.wait)
	defer timer.Stop()
	select {
	case s.taken <- struct{}{}:
		return release, nil
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil, FailAfter(http.StatusServiceUnavailable, "busy", "too many requests of this kind are in progress", "try again", RetrySoon)
}
