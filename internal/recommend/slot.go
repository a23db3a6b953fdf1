package recommend

import (
	"context"
	"time"
)

// idleAfter is the time after which a free Slot releases the items that it holds.
const idleAfter = time.Minute

// Slot lets one caller at a time load items into memory, so that the callers
// together stay within its limit. It is safe for concurrent use.
type Slot struct {
	memory *Memory
	free   chan *time.Timer // has one element while the Slot is free: the timer that releases the items
}

// NewSlot returns a free Slot whose Memory loads at most limit bytes.
func NewSlot(data Data, limit int64) *Slot {
	s := &Slot{memory: NewMemory(data, limit), free: make(chan *time.Timer, 1)}
	idle := time.AfterFunc(idleAfter, s.releaseIdle)
	idle.Stop()
	s.free <- idle
	return s
}

// releaseIdle releases the items unless the Slot has been acquired.
func (s *Slot) releaseIdle() {
	select {
	case idle := <-s.free:
		s.memory.Release()
		s.free <- idle
	default:
	}
}

// Acquire waits until the Slot is free, and returns its Memory, which may still hold
// the items of the last caller. Call release once, when they are no longer used.
func (s *Slot) Acquire(ctx context.Context) (m *Memory, release func(), err error) {
	select {
	case idle := <-s.free:
		return s.memory, s.acquired(idle), nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// TryAcquire is Acquire, but returns false if the Slot is not free.
func (s *Slot) TryAcquire() (m *Memory, release func(), free bool) {
	select {
	case idle := <-s.free:
		return s.memory, s.acquired(idle), true
	default:
		return nil, nil, false
	}
}

func (s *Slot) acquired(idle *time.Timer) (release func()) {
	idle.Stop()
	return func() {
		idle.Reset(idleAfter)
		s.free <- idle
	}
}
