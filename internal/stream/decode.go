package stream

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/recflow/recflow/internal/recsys"
)

// Decode splits a record into its events: one, the aggregated ones, or those of a
// JSON array or of several JSON objects, also as gzip or base64. It never fails: an
// invalid event is returned with its fault.
func Decode(r Record) []Decoded {
	parts, fault := eventsOf(r.Data)
	if fault != nil {
		return []Decoded{{Raw: r.Data, Digest: RawDigest(r.Data), Fault: fault}}
	}
	out := make([]Decoded, len(parts))
	for i, raw := range parts {
		out[i] = decode(raw, r.ArrivedAt)
		out[i].Sub = i
	}
	return out
}

func decode(raw []byte, arrived time.Time) (d Decoded) {
	d.Raw = raw
	defer func() {
		if d.Fault != nil {
			d.Event, d.Digest, d.Clamped = recsys.Event{}, RawDigest(raw), false
		}
	}()
	switch {
	case len(raw) > MaxRecordBytes:
		d.Fault = &Fault{TooLarge, fmt.Sprintf("the event is %d bytes long; at most %d are accepted", len(raw), MaxRecordBytes)}
		return d
	case !utf8.Valid(raw):
		d.Fault = &Fault{NotUTF8, "the event is not valid UTF-8"}
		return d
	}
	p := parse(raw)
	if d.Event, d.Fault = p.event, p.fault; recsys.CheckID("event_id", p.event.EventID) == nil {
		d.EventID = p.event.EventID
	}
	if d.Fault == nil {
		d.Fault = check(d.Event)
	}
	if d.Fault != nil {
		return d
	}
	d.Digest = d.Event.Digest()
	if d.Event.OccurredAt.After(arrived.Add(MaxClockSkew)) {
		d.Clamped = !d.Event.OccurredAt.Equal(AtArrival)
		d.Event.OccurredAt = micros(arrived)
	}
	return d
}

// check returns what is wrong with the values of a parsed event.
func check(e recsys.Event) *Fault {
	for _, f := range []struct {
		name, value string
		optional    bool
	}{
		{"event_id", e.EventID, false},
		{"user_id", e.UserID, false},
		{"item_id", e.ItemID, false},
		{"event_type", e.EventType, false},
		{"session_id", e.SessionID, true},
		{"recommendation_id", e.RecommendationID, true},
	} {
		if f.value == "" && f.optional {
			continue
		}
		if f.value == "" {
			return &Fault{MissingField, f.name + " is missing or empty"}
		}
		if err := recsys.CheckID(f.name, f.value); err != nil {
			return &Fault{BadID, err.Error()}
		}
	}
	if e.OccurredAt.IsZero() {
		return &Fault{MissingField, "occurred_at is missing"}
	}
	if e.OccurredAt.Before(recsys.EarliestEvent) {
		return &Fault{BadTime, "occurred_at is before 1971"}
	}
	return nil
}

// EncodeEvent encodes a valid event as one JSON object, the format of the
// stream and, with StoredAt, of raw/events.
func EncodeEvent(e recsys.Event) []byte {
	e.OccurredAt = micros(e.OccurredAt)
	if !e.StoredAt.IsZero() {
		e.StoredAt = micros(e.StoredAt)
	}
	raw, err := json.Marshal(e)
	if err != nil { // only a NaN or infinite value causes an error
		panic(fmt.Sprintf("encode an invalid event: %v", err))
	}
	return raw
}
