package main

import (
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/recflow/recflow/internal/panics"
	"github.com/recflow/recflow/internal/stream"
	"github.com/recflow/recflow/internal/vectorstore"
)

// decode is the first step: what the records say, and which of it is unusable.
// Of every event_id and digest there is one event, with all units that carry it.
func (h *Handler) decode(in events.KinesisEvent) *batch {
	b := &batch{records: make([]record, len(in.Records))}
	known := map[vectorstore.VerdictKey]int{}
	for i, r := range in.Records {
		b.records[i].Record = recordOf(r)
		decoded, err := safeDecode(b.records[i].Record, stream.Decode)
		if err != nil {
			h.Log.Error("the decoder panicked, the record is quarantined",
				append([]any{"sequence_number", b.records[i].SequenceNumber, "error", err.Error()}, panics.LogAttributes(err)...)...)
		}
		for _, d := range decoded {
			u := unit{Decoded: d, record: i, event: -1}
			if d.Fault == nil {
				u.event = b.add(known, d, b.records[i].ArrivedAt)
			}
			b.units = append(b.units, u)
		}
	}
	return b
}

// add finds or makes the event of the next unit.
func (b *batch) add(known map[vectorstore.VerdictKey]int, d stream.Decoded, arrived time.Time) int {
	key := vectorstore.VerdictKey{EventID: d.Event.EventID, Digest: d.Digest}
	i, there := known[key]
	if !there {
		i = len(b.events)
		known[key] = i
		b.events = append(b.events, event{
			StreamEvent: vectorstore.StreamEvent{Event: d.Event, Digest: d.Digest},
			arrived:     arrived,
			user:        -1,
		})
	}
	e := &b.events[i]
	e.units = append(e.units, len(b.units))
	if arrived.Before(e.arrived) {
		e.arrived = arrived
	}
	return i
}

// recordOf translates a record of the invocation.
func recordOf(r events.KinesisEventRecord) stream.Record {
	shard, _, _ := strings.Cut(r.EventID, ":")
	return stream.Record{
		Data:           r.Kinesis.Data,
		Stream:         r.EventSourceArn,
		Shard:          shard,
		SequenceNumber: r.Kinesis.SequenceNumber,
		PartitionKey:   r.Kinesis.PartitionKey,
		// The JSON number of seconds is a little off its microsecond.
		ArrivedAt: r.Kinesis.ApproximateArrivalTimestamp.UTC().Round(time.Microsecond),
	}
}

// safeDecode decodes a record, whatever it does to the decoder: a record that
// breaks it once will break it every time. err is the panic, of which out has the
// record as unusable.
func safeDecode(r stream.Record, decode func(stream.Record) []stream.Decoded) (out []stream.Decoded, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panics.New(p)
			out = []stream.Decoded{{
				Raw:    r.Data,
				Digest: stream.RawDigest(r.Data),
				Fault:  &stream.Fault{Reason: stream.Undecodable, Detail: "the decoder broke on the record"},
			}}
		}
	}()
	return decode(r), nil
}
