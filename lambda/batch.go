package main

import (
	"cmp"
	"iter"
	"slices"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/stream"
)

// batch is what one invocation received, on its way through the four steps.
type batch struct {
	records []*record
	events  []*event // each event_id and digest once, in the order of their first records
	users   []*user  // whose lists may have changed, in the order of their first records
	version int64    // live when the events were stored; 0: none

	times                  times
	cacheHits, cacheMisses int64 // of the reader's item cache
}

// record is a record of the stream.
type record struct {
	stream.Record
	parts []*part // empty until the record is decoded
}

// part is one user record: a whole record, or one of those that a producer
// aggregated into it. It has either an event or a fault.
type part struct {
	stream.Decoded
	event   *event
	outcome outcome // of quarantining it; the outcome of a usable part is its event's
}

// event is a usable event.
type event struct {
	events.StreamEvent // with occurred_at and stored_at as they are stored

	parts     []*part   // that carry it
	arrivedAt time.Time // when the first of them arrived
	repeated  bool      // an earlier batch delivered it and wrote its verdict
	user      *user     // nil: it changes no list
	folded    bool
	reason    string // why it is not folded
	outcome   outcome
}

// user is a user whose list may have changed.
type user struct {
	id      string
	events  []*event // without impressions
	trigger *event   // the latest of events
	state   recommend.State
	list    *recommend.List // nil until it is made
	trial   *trial          // nil: none of the events is evaluated
	outcome outcome         // of delivering the list
}

// outcome is what has become of an event, a list or a part with a fault. Only the
// last step sets it, so a batch that ends before then is retried as a whole.
type outcome int

const (
	pending   outcome = iota // not delivered, or not known to be
	delivered                // its delivery stream has it
	recorded                 // its verdict is written too, if it has one
)

// listDelivered reports whether the list that the event changes, if any, has been
// delivered.
func (e *event) listDelivered() bool { return e.user == nil || e.user.outcome == delivered }

// done reports whether nothing is left to do for the event.
func (e *event) done() bool { return e.outcome == recorded && e.listDelivered() }

// done reports whether nothing is left to do for the part.
func (p *part) done() bool {
	if p.event != nil {
		return p.event.done()
	}
	return p.outcome == recorded
}

// retry reports whether the record has to be retried: it is not decoded, or one
// of its parts is not done.
func (r *record) retry() bool {
	return len(r.parts) == 0 || slices.ContainsFunc(r.parts, func(p *part) bool { return !p.done() })
}

// faulty yields the parts that can never be processed, each with its record.
func (b *batch) faulty() iter.Seq2[*record, *part] {
	return func(yield func(*record, *part) bool) {
		for _, r := range b.records {
			for _, p := range r.parts {
				if p.Fault != nil && !yield(r, p) {
					return
				}
			}
		}
	}
}

// response names the lowest sequence number to retry: Kinesis sends everything
// from there on again.
func (b *batch) response() lambdaevents.KinesisEventResponse {
	out := lambdaevents.KinesisEventResponse{BatchItemFailures: []lambdaevents.KinesisBatchItemFailure{}}
	if lowest, found := b.lowestRetry(); found {
		out.BatchItemFailures = append(out.BatchItemFailures, lambdaevents.KinesisBatchItemFailure{ItemIdentifier: lowest})
	}
	return out
}

// lowestRetry returns the lowest sequence number to retry, if there is any.
func (b *batch) lowestRetry() (sequence string, found bool) {
	for _, r := range b.records {
		if r.retry() && (!found || compareSequence(r.SequenceNumber, sequence) < 0) {
			sequence, found = r.SequenceNumber, true
		}
	}
	return sequence, found
}

// compareSequence orders sequence numbers: decimal integers of up to 128 bits.
func compareSequence(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// byTime orders events by (occurred_at, event_id).
func byTime(a, b *event) int {
	return cmp.Or(a.OccurredAt.Compare(b.OccurredAt), cmp.Compare(a.EventID, b.EventID))
}
