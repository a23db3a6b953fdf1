package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/stream"
)

// Pauses between attempts to reach the database.
const (
	firstPause = 100 * time.Millisecond
	mostPause  = 2 * time.Second
)

// accept is the second step: it stores the events, and connects to the database
// before. While the database is unavailable it tries again until the deadline: the
// mapping might retry the batch without a pause.
func (h *Handler) accept(ctx context.Context, b *batch) (reader *recommend.Reader, err error) {
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		if err = h.open(ctx); err == nil {
			reader, err = h.storeEvents(ctx, b)
		}
		if err == nil || !postgres.MayRecover(err) {
			return reader, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}

// open connects to the database unless an earlier call has.
func (h *Handler) open(ctx context.Context) error {
	if h.stores != nil {
		return nil
	}
	s, err := h.Open(ctx)
	if err == nil {
		h.stores = s
	}
	return err
}

// storeEvents stores the events, uses the stored values of events that already
// exist, and returns the reader of the live version, or nil if none is live.
func (h *Handler) storeEvents(ctx context.Context, b *batch) (*recommend.Reader, error) {
	if len(b.events) == 0 {
		return nil, nil
	}
	begin := time.Now()
	sent, position := b.distinctEvents()
	stored, err := h.stores.events.StoreEvents(ctx, sent)
	lap(&b.times.store, begin)
	if err != nil {
		return nil, fmt.Errorf("store the events: %w", err)
	}
	b.version, b.candidate = stored.Version, stored.Candidate
	b.events = slices.DeleteFunc(b.events, func(e *event) bool { return !e.accept(stored.Events[position[e.EventID]]) })
	if stored.Version == 0 {
		h.reader = nil
		return nil, nil
	}
	return h.liveReader(ctx, stored.Revision)
}

// distinctEvents returns the first event of each event_id, and the positions of
// the event_ids in out.
func (b *batch) distinctEvents() (out []events.StreamEvent, position map[string]int) {
	position = map[string]int{}
	for _, e := range b.events {
		if _, there := position[e.EventID]; !there {
			position[e.EventID] = len(out)
			out = append(out, e.StreamEvent)
		}
	}
	return out, position
}

// conflict is the fault of an event whose id belongs to a different event.
var conflict = stream.Fault{
	Reason: stream.Conflict,
	Detail: "an event with the same event_id and different content was accepted before",
}

// accept copies the stored values of the event's id. If they belong to a
// different event, it marks the event's parts as faulty and returns false.
func (e *event) accept(s events.StoredEvent) bool {
	if s.Digest != ([16]byte{}) && s.Digest != e.Digest {
		for _, p := range e.parts {
			p.event, p.Fault = nil, &conflict
		}
		return false
	}
	e.OccurredAt, e.StoredAt = s.OccurredAt, s.At
	e.repeated = s.Done && s.Digest == e.Digest
	return true
}
