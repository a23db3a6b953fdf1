package main

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

func TestHandler_makes_lists_from_clicks(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	known, before := b.data.Users[3].ID, b.list(b.data.Users[3].ID)
	first, second := click(known, 10, 1), click(known, 20, 2)
	fresh := click("newcomer", 10, 3)

	assert.Empty(t, b.send(first, fresh, second), "it has no records to retry")

	lists := b.last()
	require.Len(t, lists, 2)
	require.Len(t, b.lists(), 2, "it makes one list per user and batch")
	got, want := lists[known], b.list(known)
	assert.Equal(t, want.RecommendationID, got.RecommendationID)
	assert.NotEqual(t, before.RecommendationID, got.RecommendationID)
	assert.Equal(t, recommend.Personalized, got.Stage)
	assert.Equal(t, b.version.ID, got.Version)
	assert.Regexp(t, "^[0-9a-f]{16}$", got.ConfigHash)
	require.Len(t, got.Items, 10)
	for i, it := range got.Items {
		assert.Equal(t, stream.Item{ItemID: want.Items[i].ItemID, Rank: i + 1, Score: want.Items[i].Score, Stage: got.Stage}, it)
	}
	assert.Equal(t, second.EventID, got.EventID, "it names the latest event")
	assert.True(t, second.OccurredAt.Equal(got.EventOccurredAt))
	assert.InDelta(t, got.CreatedAt.Sub(arrival).Milliseconds(), got.LatencyMS, 100)
	assert.Equal(t, recommend.Session, lists["newcomer"].Stage)

	delivered := b.delivered()
	require.Len(t, delivered, 3)
	for i, e := range []recsys.Event{first, fresh, second} {
		assert.False(t, delivered[i].StoredAt.IsZero())
		e.StoredAt = delivered[i].StoredAt
		assert.Equal(t, e, delivered[i])
		v := b.verdict(e)
		assert.Equal(t, events.Folded, v.Verdict)
		assert.Equal(t, b.version.ID, v.Version)
		assert.Equal(t, lists[e.UserID].Stage, v.Stage)
	}
}

// Sending the events of a training to a version that was trained on none of
// them must result in the trained vector.
func TestHandler_fold_in_equals_training(t *testing.T) {
	t.Parallel()
	events := map[string][]recsys.Event{}
	b := setup(t, &postgrestest.Fixture{})
	// The histories of the fixture, as events whose weights are known: each
	// weight is the sum of purchases and views of certain ages.
	for _, u := range b.data.Users[:50] {
		for i, item := range u.History.Items {
			events[u.ID] = append(events[u.ID], b.eventsOf("copy-"+u.ID, i, item, u.History)...)
		}
	}
	for _, u := range b.data.Users[:50] {
		require.Empty(t, b.send(events[u.ID]...))
	}
	states, err := b.reader.Read(t.Context(), []string{"copy-" + b.data.Users[0].ID})
	require.NoError(t, err)
	require.NotEmpty(t, states[0].Events)
	checked := 0
	for _, u := range b.data.Users[:50] {
		if u.Vector == nil {
			continue
		}
		states, err := b.reader.Read(t.Context(), []string{"copy-" + u.ID})
		require.NoError(t, err)
		_, err = b.reader.Load(t.Context(), states)
		require.NoError(t, err)
		st, err := b.reader.Fold(states[0])
		require.NoError(t, err)
		assert.LessOrEqual(t, relativeDelta(st.Vector, u.Vector), 1e-5)
		checked++
	}
	assert.Greater(t, checked, 40)
}

// eventsOf returns events on an item whose weights add up to the weight in the
// history at its reference time: a number of views, each weighing
// 2^(−age/half-life).
func (b *bundle) eventsOf(user string, n int, item string, h recsys.History) []recsys.Event {
	in := recsys.DefaultInterest()
	weight := float64(h.Weights[n])
	kinds := []struct {
		name   string
		weight float64
	}{{recsys.Purchase, 5}, {recsys.AddToCart, 3}, {recsys.View, 1}}
	var out []recsys.Event
	for _, k := range kinds {
		if weight > k.weight*(1+1e-9) {
			continue
		}
		age := math.Log2(k.weight/weight) * in.HalfLifeSeconds
		e := recsys.Event{
			EventID: fmt.Sprintf("%s-%d-%s", user, n, k.name), UserID: user, ItemID: item, EventType: k.name,
			OccurredAt: h.Reference.Add(-time.Duration(age * float64(time.Second))).Truncate(time.Microsecond),
		}
		out = []recsys.Event{e} // the event type with the smallest sufficient weight
	}
	return out
}

func relativeDelta(a, b []float32) float64 {
	if len(a) != len(b) {
		return 1
	}
	var difference, length float64
	for i := range b {
		difference += math.Pow(float64(a[i])-float64(b[i]), 2)
		length += math.Pow(float64(b[i]), 2)
	}
	return math.Sqrt(difference / length)
}

func TestHandler_verdicts(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	user := b.data.Users[4].ID
	like := func(id, kind string, value float64) recsys.Event {
		e := click(user, 30, 1)
		e.EventID, e.EventType, e.Value = id, kind, &value
		return e
	}
	unknownItem := click(user, 31, 2)
	unknownItem.ItemID = "an-item-of-tomorrow"
	old := click(user, 32, 3)
	old.OccurredAt = b.version.Coverage.To.Add(-time.Hour) // late: not covered, because it is stored after the training
	cases := []struct {
		event   recsys.Event
		verdict string
		reason  string
	}{
		{click(user, 33, 4), events.Folded, ""},
		{like("stars", recsys.Rating, 5), events.Folded, ""},
		{like("capitals", "CLICK", 1), events.Folded, ""},
		{like("returned", "Purchase", -1), events.Folded, ""},
		{like("star", recsys.Rating, 2), events.Ignored, noWeight},
		{like("shared", "share", 1), events.Ignored, unknownType},
		{like("shown", recsys.Impression, 1), events.Ignored, impression},
		{like("shown in capitals", "Impression", 1), events.Ignored, impression},
		{unknownItem, events.Ignored, unknownItemReason},
		{old, events.Folded, ""},
	}
	var all []recsys.Event
	for _, c := range cases {
		all = append(all, c.event)
	}
	require.Empty(t, b.send(all...))
	for _, c := range cases {
		v := b.verdict(c.event)
		assert.Equal(t, []string{c.verdict, c.reason}, []string{v.Verdict, v.Reason}, c.event.EventID)
	}
	assert.Len(t, b.delivered(), len(cases), "it delivers all of them for the next training")
	assert.Empty(t, b.quarantine())

	t.Run("it makes no list for an impression alone", func(t *testing.T) {
		n := len(b.lists())
		shown := click("viewer", 5, 9)
		shown.EventType = recsys.Impression
		require.Empty(t, b.send(shown))
		assert.Len(t, b.lists(), n)
		assert.Equal(t, impression, b.verdict(shown).Reason)
	})
	t.Run("it makes a popular list when no event has weight", func(t *testing.T) {
		e := click("outsider", 5, 9)
		e.ItemID = "an-item-of-tomorrow"
		require.Empty(t, b.send(e))
		assert.Equal(t, recommend.Popular, b.last()["outsider"].Stage)
		assert.Len(t, b.last()["outsider"].Items, b.ListLength)
		assert.Equal(t, b.list("outsider").RecommendationID, b.last()["outsider"].RecommendationID)
	})
	t.Run("it folds an event in when a version contains its item", func(t *testing.T) {
		next := postgrestest.Build(t, b.db, postgrestest.Fixture{RunID: "tomorrow", Change: func(d *postgrestest.Data) {
			d.Items[7].ItemID = "an-item-of-tomorrow"
			for i := range d.Users {
				for n, id := range d.Users[i].History.Items {
					if id == "i000007" {
						d.Users[i].History.Items[n] = "an-item-of-tomorrow"
					}
				}
			}
		}})
		b.promote(next)
		assert.Equal(t, recommend.Session, b.list("outsider").Stage)
		require.Empty(t, b.send(click("outsider", 6, 10)))
		assert.Equal(t, b.list("outsider").RecommendationID, b.last()["outsider"].RecommendationID)
	})
}

const unknownItemReason = unknownItem

// TestHandler_excludes_unavailable_items sends all batches to one process, which
// caches items.
func TestHandler_excludes_unavailable_items(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	events := func(n int) []recsys.Event {
		viewer := click("viewer", 3, n)
		viewer.EventType = "bookmark"
		return []recsys.Event{click("newcomer", 10, n), viewer, click("u00001", 10, n)}
	}
	require.Empty(t, b.send(events(1)...))
	for round := range 4 { // the last two rounds read from memory
		stages, gone := map[string]bool{}, map[string]string{}
		for user, record := range b.last() {
			gone[user] = record.Items[0].ItemID
			stages[record.Stage] = true
		}
		require.Len(t, stages, 3)
		for _, id := range gone {
			setAvailable(b, id, false)
		}
		require.Equal(t, round >= 1, b.reader.ItemsInMemory() > 0)
		require.Empty(t, b.send(events(2+round)...))
		for user, record := range b.last() {
			require.Len(t, record.Items, b.ListLength)
			for _, item := range record.Items {
				assert.NotEqual(t, gone[user], item.ItemID, record.Stage)
			}
		}
	}
}

func TestHandler_with_duplicate_event_ids(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	e := click("u00001", 10, 1)
	other := e
	other.ItemID = "i000011"

	t.Run("it accepts the first of two contents in a batch, and copies of it", func(t *testing.T) {
		require.Empty(t, b.send(e, other, e))
		require.Len(t, b.quarantine(), 1)
		q := b.quarantine()[0]
		assert.Equal(t, stream.Conflict, q.Reason)
		assert.Equal(t, e.EventID, q.EventID)
		assert.Equal(t, sequence(2), q.SequenceNumber)
		assert.Equal(t, "shardId-000000000003", q.Shard)
		assert.Equal(t, stream.EncodeEvent(other), q.Raw)
		assert.Len(t, b.delivered(), 1)
		assert.Equal(t, events.Folded, b.verdict(e).Verdict)
		assert.Equal(t, events.QuarantinedVerdict, b.verdict(other).Verdict)
		assert.Equal(t, stream.Conflict, b.verdict(other).Reason)
	})
	t.Run("it accepts the stored content at any position of a later batch", func(t *testing.T) {
		require.Empty(t, b.send(other, e))
		assert.Len(t, b.quarantine(), 2)
		assert.Equal(t, events.Folded, b.verdict(e).Verdict)
		states, _, err := b.db.UserStates(t.Context(), b.version, []string{e.UserID})
		require.NoError(t, err)
		require.Len(t, states[0].Events, 1)
		assert.Equal(t, e.ItemID, states[0].Events[0].ItemID)
	})
	t.Run("it makes the same list when a batch is retried, and stores no event twice", func(t *testing.T) {
		delivered, id := len(b.delivered()), b.last()[e.UserID].RecommendationID
		require.Empty(t, b.send(e, e, e))
		assert.Len(t, b.delivered(), delivered)
		assert.Equal(t, id, b.last()[e.UserID].RecommendationID)
	})
}

func TestHandler_clamps_times_in_the_future(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	e := click("u00001", 10, 1)
	e.OccurredAt = arrival.Add(24 * time.Hour)
	require.Empty(t, b.send(e))
	first := b.delivered()[0]
	assert.Equal(t, arrival.Add(time.Millisecond), first.OccurredAt, "it sets the time of the event to its arrival")
	assert.Equal(t, events.Folded, b.verdict(e).Verdict, "under the digest of the original bytes")
	require.Empty(t, b.send(e), "an event that is sent again has a later arrival and is still the same event")
	assert.Empty(t, b.quarantine())
	assert.Equal(t, first.OccurredAt, b.last()["u00001"].EventOccurredAt)
}

func TestHandler_without_a_live_version(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	e := click("u00001", 10, 1)
	require.Empty(t, b.send(e, click("u00002", 10, 2)))
	assert.Empty(t, b.lists())
	assert.Len(t, b.delivered(), 2)
	assert.Equal(t, events.Verdict{
		EventID: e.EventID, Digest: e.Digest(), Verdict: events.Ignored, Reason: noLiveVersion,
		ArrivedAt: arrival.Add(time.Millisecond),
	}, withoutTime(b.verdict(e)))

	t.Run("it folds the events in when a version is live", func(t *testing.T) {
		b.promote(postgrestest.Build(t, b.db, postgrestest.Fixture{}))
		require.Empty(t, b.send(click("u00001", 11, 3)))
		assert.Equal(t, b.list("u00001").RecommendationID, b.last()["u00001"].RecommendationID)
		st, err := b.reader.Read(t.Context(), []string{"u00001"})
		require.NoError(t, err)
		assert.Len(t, st[0].Events, 2)
	})
}

// withoutTime removes the time at which a verdict was written.
func withoutTime(v events.Verdict) events.Verdict {
	v.At = time.Time{}
	v.ArrivedAt = v.ArrivedAt.UTC()
	return v
}

func TestHandler_with_an_empty_batch(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	assert.Empty(t, b.send())
	assert.True(t, slices.Equal([]string(nil), b.faults.seen), "it makes no request")
}
