package main

import (
	"cmp"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/stream"
	"github.com/recflow/recflow/internal/vectorstore"
)

// batch is what becomes of one invocation's records on their way through the
// four steps. The slices point into each other by index.
type batch struct {
	records []record
	units   []unit
	events  []event
	users   []user // in the order of their first record
	trials  []trial

	version int64 // the one that was live when the events were stored; 0: none

	times                  times
	cacheHits, cacheMisses int64 // of the items in the reader's cache
}

// record is one record of the stream. It is done unless something says that it
// has to come again.
type record struct {
	stream.Record
	retry bool
}

// unit is one user record: a whole record, or one of those that a producer
// aggregated into it.
type unit struct {
	stream.Decoded
	record int
	event  int // -1 when there is none
}

// event is a good event. Several units may carry it: each event_id and digest is
// in the batch once.
type event struct {
	vectorstore.StreamEvent // with occurred_at and stored_at as they are stored
	arrived                 time.Time
	units                   []int
	conflict                bool // another event with its id is stored
	done                    bool // its verdict is: everything of it has been delivered before
	user                    int  // -1 when it asks for no list
	folded                  bool
	reason                  string // why it is not folded
	recorded                bool   // its verdict has been written now
}

// user is someone whose list may have changed.
type user struct {
	id      string
	events  []int // accepted ones, without impressions
	trigger int   // the latest of them
	state   recommend.State
	list    *recommend.List // nil until it is made
}

// trial is an event on which the list before it is tried: would it have shown
// the item?
type trial struct {
	event                 int
	liveStage, staleStage string
	liveRank, staleRank   int
	liveKnown, staleKnown bool
	liveState, staleState recommend.State
}

// retryEvent says that the records of an event have to come again.
func (b *batch) retryEvent(i int) {
	for _, u := range b.events[i].units {
		b.records[b.units[u].record].retry = true
	}
}

// retryUser says that the records of a user's events have to come again.
func (b *batch) retryUser(i int) {
	for _, e := range b.users[i].events {
		b.retryEvent(e)
	}
}

// retryAll says that every record has to come again.
func (b *batch) retryAll() {
	for i := range b.records {
		b.records[i].retry = true
	}
}

// lowestRetry is the lowest sequence number that has to come again, if any.
// Everything from there on does.
func (b *batch) lowestRetry() (sequence string, found bool) {
	for _, r := range b.records {
		if r.retry && (!found || compareSequence(r.SequenceNumber, sequence) < 0) {
			sequence, found = r.SequenceNumber, true
		}
	}
	return sequence, found
}

// answer names the lowest sequence number that has to come again.
func (b *batch) answer() events.KinesisEventResponse {
	out := events.KinesisEventResponse{BatchItemFailures: []events.KinesisBatchItemFailure{}}
	if lowest, found := b.lowestRetry(); found {
		out.BatchItemFailures = append(out.BatchItemFailures, events.KinesisBatchItemFailure{ItemIdentifier: lowest})
	}
	return out
}

// compareSequence orders sequence numbers: decimal integers of up to 128 bits.
func compareSequence(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// later orders events by (occurred_at, event_id).
func later(a, b event) int {
	return cmp.Or(a.OccurredAt.Compare(b.OccurredAt), cmp.Compare(a.EventID, b.EventID))
}

// waiting lists the users whose lists are not made yet.
func (b *batch) waiting() []int {
	var out []int
	for i := range b.users {
		if b.users[i].list == nil {
			out = append(out, i)
		}
	}
	return out
}
