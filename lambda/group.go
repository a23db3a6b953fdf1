package main

import (
	"context"
	"fmt"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
	"github.com/recflow/recflow/internal/vectorstore"
)

// conflict is the fault of an event whose id belongs to another event.
var conflict = stream.Fault{
	Reason: stream.Conflict,
	Detail: "an event with the same event_id and other content was accepted before",
}

// keep stores the events, each event_id once, and takes over what is stored. The
// answer says which version is live.
func (b *batch) keep(ctx context.Context, s store) (vectorstore.StoredBatch, error) {
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
	for i := range b.events {
		e := &b.events[i]
		s := stored.Events[first[e.EventID]]
		if s.Digest != ([16]byte{}) && s.Digest != e.Digest {
			e.conflict = true
			for _, u := range e.units {
				b.units[u].Fault, b.units[u].EventID = &conflict, e.EventID
			}
			continue
		}
		e.OccurredAt, e.StoredAt = s.OccurredAt, s.At
		e.done = s.Done && s.Digest == e.Digest
	}
	b.version = stored.Version
	return stored, nil
}

// group finds the users whose lists may have changed: those with an accepted
// event that is more than an impression, in the order of their first records.
func (b *batch) group() {
	byID := map[string]int{}
	for i := range b.events {
		e := &b.events[i]
		if e.conflict || e.EventType == recsys.Impression {
			continue
		}
		n, there := byID[e.UserID]
		if !there {
			n = len(b.users)
			byID[e.UserID] = n
			b.users = append(b.users, user{id: e.UserID, trigger: i})
		}
		u := &b.users[n]
		e.user = n
		u.events = append(u.events, i)
		if later(*e, b.events[u.trigger]) > 0 {
			u.trigger = i
		}
	}
}
