package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
	"github.com/recflow/recflow/internal/vectorstore"
)

// conflict is the fault of an event whose id belongs to another event.
var conflict = stream.Fault{
	Reason: stream.Conflict,
	Detail: "an event with the same event_id and other content was accepted before",
}

// storeEvents stores the events, each event_id once, and takes over what is
// stored. Events in conflict with it become faults. The answer says which version
// is live.
func (b *batch) storeEvents(ctx context.Context, s store) (vectorstore.StoredBatch, error) {
	first := map[string]int{} // event_id → position in send
	var send []vectorstore.StreamEvent
	for _, e := range b.events {
		if _, there := first[e.EventID]; !there {
			first[e.EventID] = len(send)
			send = append(send, e.StreamEvent)
		}
	}
	stored, err := s.StoreEvents(ctx, send)
	if err != nil {
		return stored, fmt.Errorf("store the events: %w", err)
	}
	b.version = stored.Version
	b.events = slices.DeleteFunc(b.events, func(e *event) bool {
		return !e.accept(stored.Events[first[e.EventID]])
	})
	return stored, nil
}

// accept takes over what is stored under the event's id, unless that is another
// event.
func (e *event) accept(s vectorstore.StoredEvent) bool {
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

// groupByUser finds the users whose lists may have changed: those with an event
// that is more than an impression.
func (b *batch) groupByUser() {
	byID := map[string]*user{}
	for _, e := range b.events {
		if e.EventType == recsys.Impression {
			continue
		}
		u := byID[e.UserID]
		if u == nil {
			u = &user{id: e.UserID, trigger: e}
			byID[e.UserID] = u
			b.users = append(b.users, u)
		}
		e.user = u
		u.events = append(u.events, e)
		if byTime(e, u.trigger) > 0 {
			u.trigger = e
		}
	}
}
