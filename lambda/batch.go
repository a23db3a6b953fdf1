package main

import (
	"cmp"
	"iter"
	"slices"
	"sync"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/stream"
)

// batch is the records of one invocation and their state during its four steps.
type batch struct {
	records []*record
	events  []*event // each event_id and digest once, in the order of their first records
	users   []*user  // whose lists may have changed, in the order of their first records
	version int64    // live version when the events were stored; 0: none

	candidate int64 // version that was about to be promoted then; 0: none

	delivering sync.WaitGroup // of the events, which ends before a list is computed

	times                  times
	cacheHits, cacheMisses int64 // of the reader's item cache
}

// record is a record of the stream.
type record struct {
	stream.Record
	parts []*part // empty until the record is decoded
}

// part is one user record: a whole Kinesis record, or one of those that a
// producer aggregated into it. It has either an event or a fault.
type part struct {
	stream.Decoded
	event   *event
	outcome outcome // of quarantining it; the outcome of a usable part is its event's
}

// event is a usable event.
type event struct {
	events.StreamEvent // occurred_at and stored_at are the stored values

	parts     []*part   // parts that contain the event
	arrivedAt time.Time // when the first of its records arrived
	repeated  bool      // an earlier batch delivered it and wrote its verdict
	user      *user     // nil: the event changes no list
	folded    bool
	reason    string // reason why it is not folded in
	outcome   outcome
}

// user is a user whose list may have changed.
type user struct {
	id      string
	events  []*event // without impressions
	trigger *event   // latest of events
	state   recommend.State
	list    *recommend.List // nil until computed
	failed  bool            // the list cannot be made, and a retry would fail again
	trial   *trial          // nil: none of the events is evaluated
	outcome outcome         // of delivering the list
}

// outcome is the result of delivering an event, a list or a faulty part. Only
// the last step sets it, so all records of a batch that ends before then are
// retried.
type outcome int

const (
	pending   outcome = iota // not delivered, or unknown
	delivered                // accepted by its delivery stream
	recorded                 // its verdict is written too, if it has one
)

// listDelivered reports whether the list that the event changes, if there is one, has
// been delivered.
func (e *event) listDelivered() bool {
	return e.user == nil || e.user.failed || e.user.outcome == delivered
}

// fail gives up the list of the user: the others of the batch must not wait for it. The
// next event of the user makes another one.
func (u *user) fail() {
	u.failed, u.list, u.trial = true, nil, nil
	for _, e := range u.events {
		e.folded, e.reason = false, listFailed
	}
}

// done reports whether the event needs no further work.
func (e *event) done() bool { return e.outcome == recorded && e.listDelivered() }

// done reports whether the part needs no further work.
func (p *part) done() bool {
	if p.event != nil {
		return p.event.done()
	}
	return p.outcome == recorded
}

// retry reports whether the record must be retried: it is not decoded, or one
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

// response names the lowest sequence number to retry. Kinesis sends every
// record from that number on again.
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
