package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

// mixture is a batch with every kind of record: trained and new users, a user
// with impressions only, an unknown item, a duplicate, a conflict, an
// unreadable record, and one that is too large for a delivery record.
func mixture(b *bundle) [][]byte {
	var out [][]byte
	add := func(e recsys.Event) { out = append(out, stream.EncodeEvent(e)) }
	for n := range 6 {
		add(click(fmt.Sprintf("u%05d", n%4), 10+n, n))
		add(click(fmt.Sprintf("newcomer-%d", n%3), 40+n, n))
	}
	shown := click("viewer", 5, 20)
	shown.EventType = recsys.Impression
	add(shown)
	tomorrow := click("outsider", 5, 21)
	tomorrow.ItemID = "an-item-of-tomorrow"
	add(tomorrow)
	add(click("u00000", 10, 0)) // a duplicate
	other := click("u00000", 10, 0)
	other.ItemID = "i000099"
	add(other)
	out = append(out, []byte("{"))
	out = append(out, []byte(`{"event_id":"`+strings.Repeat("x", 900<<10)+`"}`))
	return out
}

// effects is everything that a batch writes and that must not depend on which
// steps failed.
type effects struct {
	Lists    map[string]string // user → recommendation_id of the last list
	Events   []string          // distinct ids delivered, sorted
	StoredAt map[string]int    // distinct stored_at an event was delivered with
	Refused  []string          // distinct quarantine ids and reasons, sorted
	Payloads int
	Verdicts []string
	States   map[string][]string // user → ids of the events in the state
}

func (b *bundle) outcome(raw [][]byte) effects {
	b.t.Helper()
	o := effects{Lists: map[string]string{}, StoredAt: map[string]int{}, States: map[string][]string{}, Payloads: len(b.bucket.objects)}
	for user, l := range b.last() {
		o.Lists[user] = l.RecommendationID
		require.Equal(b.t, b.list(user).RecommendationID, l.RecommendationID, "the last list is computed from the final state")
	}
	times := map[string]map[string]bool{}
	for _, e := range b.delivered() {
		if times[e.EventID] == nil {
			times[e.EventID] = map[string]bool{}
		}
		times[e.EventID][e.StoredAt.String()] = true
		o.Events = append(o.Events, e.EventID)
	}
	for id, distinct := range times {
		o.StoredAt[id] = len(distinct)
	}
	for _, q := range b.quarantine() {
		o.Refused = append(o.Refused, q.QuarantineID+" "+q.Reason)
	}
	o.Events, o.Refused = distinct(o.Events), distinct(o.Refused)
	var keys []events.VerdictKey
	var users []string
	for _, data := range raw {
		for _, d := range stream.Decode(stream.Record{Data: data, ArrivedAt: arrival}) {
			keys = append(keys, events.VerdictKey{EventID: d.EventID, Digest: d.Digest})
			if d.Fault == nil {
				users = append(users, d.Event.UserID)
			}
		}
	}
	verdicts, err := b.db.Verdicts(b.t.Context(), keys)
	require.NoError(b.t, err)
	for k, v := range verdicts {
		o.Verdicts = append(o.Verdicts, fmt.Sprintf("%s %x %s %s %s", k.EventID, k.Digest, v.Verdict, v.Reason, v.Stage))
	}
	slices.Sort(o.Verdicts)
	users = distinct(users)
	states, _, err := b.db.UserStates(b.t.Context(), b.version, users)
	require.NoError(b.t, err)
	for _, s := range states {
		for _, e := range s.Events {
			o.States[s.ID] = append(o.States[s.ID], e.EventID)
		}
	}
	return o
}

func distinct(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}

// Whichever step fails, sending the batch again until it is accepted has the
// same result.
func TestHandler_with_a_failure_at_every_step(t *testing.T) {
	t.Parallel()
	fixture := func() *postgrestest.Fixture { return &postgrestest.Fixture{} }
	reference := setup(t, fixture())
	raw := mixture(reference)
	require.Empty(t, reference.handle(reference.raw(raw...)))
	want := reference.outcome(raw)
	require.Len(t, want.Events, 14)
	require.Len(t, want.Refused, 3)
	require.Equal(t, 1, want.Payloads)
	for _, n := range want.StoredAt {
		require.Equal(t, 1, n)
	}
	steps := slices.Clone(reference.faults.seen)
	t.Log(steps)
	for _, must := range []string{"store", "live", "read", "items", "popular", "search", "put events", "put lists", "put quarantine", "put payload", "verdicts"} {
		require.Contains(t, steps, must)
	}
	steps = append(steps, "search 1", "search 4")

	b := setup(t, fixture())
	for _, step := range steps {
		for _, mode := range []string{"error before", "error after", "panic before", "panic after", "kill before", "kill after"} {
			if strings.HasPrefix(step, "search ") && !strings.HasSuffix(mode, "before") || strings.HasPrefix(mode, "panic") && strings.HasPrefix(step, "search ") {
				continue // the search has only one place to fail, inside the driver
			}
			t.Run(mode+" "+step, func(t *testing.T) {
				b.reset(t)
				b.inject(t, step, mode)
				in := b.raw(raw...)
				answer := b.tryHandle(in)
				if strings.HasPrefix(mode, "kill") {
					b.restart()
					answer = in.Records[0].Kinesis.SequenceNumber
				} else {
					b.faults.before, b.faults.after = nil, nil
				}
				if answer == "" { // everything it needed was done by then
					require.Equal(t, "error after search", mode+" "+step)
				} else {
					require.Empty(t, b.handle(from(in, answer)))
				}
				assert.Equal(t, want, b.outcome(raw))
			})
		}
	}
}

// inject makes a step fail once.
func (b *bundle) inject(t *testing.T, step, mode string) {
	how, when, _ := strings.Cut(mode, " ")
	b.injects(t, how)
	fail := func(s string) error {
		switch {
		case s != step:
			return nil
		case how == "panic":
			b.faults.inject("panic")
			panic("injected")
		case how == "kill":
			return errKilled
		default:
			return errInjected
		}
	}
	if when == "before" {
		b.faults.before = fail
	} else {
		b.faults.after = fail
	}
}

// tryHandle is handle for a handler that may fail, in which case all records are
// retried.
func (b *bundle) tryHandle(in lambdaevents.KinesisEvent) string {
	out, err := b.Handle(b.t.Context(), in)
	if err != nil {
		require.ErrorIs(b.t, err, errPanic)
		return in.Records[0].Kinesis.SequenceNumber
	}
	if len(out.BatchItemFailures) == 0 {
		return ""
	}
	return out.BatchItemFailures[0].ItemIdentifier
}

// reset deletes everything but the versions.
func (b *bundle) reset(t *testing.T) {
	t.Helper()
	b.t = t
	b.out, b.bucket, b.next = nil, nil, 0
	b.restart()
	b.deleteEvents()
}

func TestHandler_with_a_transient_failure_at_each_record(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	b.injects(t, "error", "record refused")
	const n = 12
	sent := make([]recsys.Event, n)
	for i := range sent {
		sent[i] = click(fmt.Sprintf("u%05d", i), 10+i, i)
	}
	for k := range n {
		t.Run(fmt.Sprintf("it returns record %d when that event cannot be delivered", k), func(t *testing.T) {
			b.reset(t)
			in := b.batch(sent...)
			id := fmt.Sprintf("%q", sent[k].EventID)
			b.out.refuse = func(name string, record []byte) bool { return name == "events" && strings.Contains(string(record), id) }
			assert.Equal(t, sequence(k+1), b.handle(in))
			b.out.refuse = nil
			assert.Equal(t, "", b.handle(from(in, sequence(k+1))))
			assert.Len(t, b.delivered(), n, "only what failed is sent again")
		})
		t.Run(fmt.Sprintf("it returns record %d when the search for its user fails", k), func(t *testing.T) {
			b.reset(t)
			in := b.batch(sent...)
			b.faults.before = func(step string) error {
				if step == fmt.Sprintf("search %d", k+1) {
					return errInjected
				}
				return nil
			}
			assert.Equal(t, sequence(k+1), b.handle(in))
			assert.Len(t, b.lists(), k, "it delivers what was finished")
			b.faults.before = nil
			assert.Equal(t, "", b.handle(from(in, sequence(k+1))))
			assert.Len(t, b.last(), n)
		})
		t.Run(fmt.Sprintf("it returns record %d when that list cannot be delivered", k), func(t *testing.T) {
			b.reset(t)
			in := b.batch(sent...)
			b.out.refuse = func(name string, record []byte) bool {
				return name == "lists" && strings.Contains(string(record), fmt.Sprintf("%q", sent[k].UserID))
			}
			assert.Equal(t, sequence(k+1), b.handle(in))
		})
	}
}

func TestSequenceNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"9", "10", -1}, {"49590338271490256608559692538361571095921575989136588898", "49590338271490256608559692538361571095921575989136588899", -1},
		{"100", "99", 1}, {"7", "7", 0},
	} {
		assert.Equal(t, c.want, compareSequence(c.a, c.b))
	}
	b := &batch{}
	for _, s := range []string{"1000", "999", "998"} {
		b.records = append(b.records, &record{Record: stream.Record{SequenceNumber: s}})
	}
	b.records[2].parts = []*part{{outcome: recorded}}
	lowest, found := b.lowestRetry()
	assert.True(t, found)
	assert.Equal(t, "999", lowest, "it compares numbers, not text")
}
