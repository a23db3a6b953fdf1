package main

import (
	"strings"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"github.com/recflow/recflow/internal/panics"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/stream"
)

// newBatch returns a batch of records that are not yet decoded.
func newBatch(in lambdaevents.KinesisEvent) *batch {
	b := &batch{records: make([]*record, len(in.Records))}
	for i, r := range in.Records {
		b.records[i] = &record{Record: recordOf(r)}
	}
	return b
}

// decode is the first step: it finds the events in the records, and the parts
// that are invalid.
func (h *Handler) decode(in lambdaevents.KinesisEvent) *batch {
	b := newBatch(in)
	known := map[events.VerdictKey]*event{}
	for _, r := range b.records {
		decoded, err := safeDecode(r.Record, stream.Decode)
		if err != nil {
			h.Log.Error("decoder panicked, record quarantined",
				append([]any{"sequence_number", r.SequenceNumber, "error", err}, panics.LogAttributes(err)...)...)
		}
		for _, d := range decoded {
			p := &part{Decoded: d}
			r.parts = append(r.parts, p)
			if p.Fault == nil {
				b.addEvent(known, p, r.ArrivedAt)
			}
		}
	}
	return b
}

// addEvent finds or creates the event of a valid part.
func (b *batch) addEvent(known map[events.VerdictKey]*event, p *part, arrivedAt time.Time) {
	key := events.VerdictKey{EventID: p.EventID, Digest: p.Digest}
	e := known[key]
	if e == nil {
		e = &event{StreamEvent: events.StreamEvent{Event: p.Event, Digest: p.Digest}, arrivedAt: arrivedAt}
		known[key] = e
		b.events = append(b.events, e)
	}
	p.event = e
	e.parts = append(e.parts, p)
	if arrivedAt.Before(e.arrivedAt) {
		e.arrivedAt = arrivedAt
	}
}

// recordOf translates a record of the invocation.
func recordOf(r lambdaevents.KinesisEventRecord) stream.Record {
	shard, _, _ := strings.Cut(r.EventID, ":")
	return stream.Record{
		Data:           r.Kinesis.Data,
		Stream:         r.EventSourceArn,
		Shard:          shard,
		SequenceNumber: r.Kinesis.SequenceNumber,
		PartitionKey:   r.Kinesis.PartitionKey,
		// The JSON number of seconds is not exact to the microsecond.
		ArrivedAt: r.Kinesis.ApproximateArrivalTimestamp.UTC().Round(time.Microsecond),
	}
}

// safeDecode decodes a record and recovers from a panic of the decoder, because
// the record would cause it on every retry. On a panic, err is the panic and
// out has the record as invalid.
func safeDecode(r stream.Record, decode func(stream.Record) []stream.Decoded) (out []stream.Decoded, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panics.New(p)
			out = []stream.Decoded{{
				Raw:    r.Data,
				Digest: stream.RawDigest(r.Data),
				Fault:  &stream.Fault{Reason: stream.Undecodable, Detail: "decoder panicked"},
			}}
		}
	}()
	return decode(r), nil
}
