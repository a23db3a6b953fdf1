package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

// hotEvent is the n-th event of a user with very many.
func hotEvent(user string, n, items int) recsys.Event {
	return recsys.Event{
		EventID: fmt.Sprintf("hot-%s-%07d", user, n), UserID: user, ItemID: fmt.Sprintf("i%06d", n*7919%items), EventType: recsys.Click,
		OccurredAt: time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * 100 * time.Millisecond),
	}
}

// storeHot stores n events of the user as if the stream had delivered them.
func storeHot(t testing.TB, s *postgrestest.Store, n int, event func(n int) recsys.Event) {
	t.Helper()
	for from := 0; from < n; from += 10_000 {
		var part []recsys.Event
		for i := from; i < min(from+10_000, n); i++ {
			part = append(part, event(i))
		}
		postgrestest.Stream(t, s, part...)
	}
}

func TestHandler_folds_the_newest_events(t *testing.T) {
	t.Parallel()
	const user, items = "guest", 400
	b := setup(t, &postgrestest.Fixture{Items: items})
	storeHot(t, b.db, recsys.MaxUserEvents, func(n int) recsys.Event { return hotEvent(user, n, items) })
	newest := hotEvent(user, recsys.MaxUserEvents, items)
	oldest := hotEvent(user, -1, items)
	oldest.EventID = "hot-oldest"
	shown := hotEvent(user, -2, items)
	shown.EventID, shown.EventType = "hot-shown", recsys.Impression
	quiet := click("u00007", 10, 1)
	want := map[string]string{newest.EventID: "", oldest.EventID: overUserLimit, shown.EventID: impression, quiet.EventID: ""}
	check := func() {
		for _, e := range []recsys.Event{newest, oldest, shown, quiet} {
			v := b.verdict(e)
			assert.Equal(t, want[e.EventID], v.Reason, e.EventID)
			assert.Equal(t, want[e.EventID] == "", v.Verdict == events.Folded, e.EventID)
		}
	}
	require.Empty(t, b.send(oldest, newest, shown, quiet))
	check()
	assert.Len(t, b.delivered(), 4, "the next training gets all of them")
	lists := b.last()
	assert.Equal(t, 2, lists[user].EventsNotFolded, "one was too old, and one is no longer among the newest")
	assert.Zero(t, lists["u00007"].EventsNotFolded)
	current := b.list(user)
	assert.Equal(t, current.RecommendationID, lists[user].RecommendationID)
	assert.Equal(t, 2, current.EventsNotFolded)

	late := hotEvent(user, recsys.MaxUserEvents+1, items)
	require.Empty(t, b.send(late, oldest, newest))
	check()
	assert.Equal(t, 3, b.last()[user].EventsNotFolded)
}

// batchWindow is how long the first record of a batch waits, by default.
const batchWindow = time.Second

// TestHandler_with_a_hot_user_for_days checks that a user with very many uncovered
// events, impressions and events on unknown items delays the other users of the same
// batches little: batches with and without an event of that user alternate, in five
// pairs. The latency of a list is the batch window and the time of the batch.
func TestHandler_with_a_hot_user_for_days(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	n, ranks := 30_000, []int{64}
	if *postgrestest.Soak {
		n, ranks = 300_000, []int{64, 256}
	}
	for _, rank := range ranks {
		t.Run(fmt.Sprintf("it keeps other users' lists fast at rank %d", rank), func(t *testing.T) { hotUser(t, n, rank) })
	}
}

func hotUser(t *testing.T, n, rank int) {
	const user, items, users = "guest", 2000, 300
	b := setup(t, &postgrestest.Fixture{Items: items, Users: users, Dimension: rank})
	b.Log = slog.New(slog.DiscardHandler)
	hot := func(kind string) func(int) recsys.Event {
		return func(i int) recsys.Event {
			e := hotEvent(user, i, items)
			e.EventID, e.EventType = kind+e.EventID, kind
			return e
		}
	}
	storeHot(t, b.db, n, hot(recsys.Click))
	storeHot(t, b.db, n, hot(recsys.Impression))
	storeHot(t, b.db, n, func(i int) recsys.Event {
		e := hot(recsys.View)(i)
		e.ItemID = "unknown-" + e.ItemID
		return e
	})
	sent, peak := 0, uint64(0)
	batch := func(of string) time.Duration {
		var evs []recsys.Event
		for range users / 3 {
			sent++
			evs = append(evs, click(b.data.Users[sent%users].ID, sent%items, sent))
		}
		evs = append(evs, hotEvent(of, n+sent, items))
		began := time.Now()
		require.Empty(t, b.send(evs...))
		took := time.Since(began)
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		peak = max(peak, memory.HeapInuse)
		return batchWindow + took
	}
	for range 6 { // the items are loaded, and every user has events
		batch(user)
	}
	var ratios []float64
	for range 5 {
		var without, with []time.Duration
		for range 5 {
			without, with = append(without, batch("quiet")), append(with, batch(user))
		}
		ratios = append(ratios, median(with).Seconds()/median(without).Seconds())
	}
	t.Logf("%d events of one user: latency with ÷ without them in the batch, five pairs: %.2f; heap at most %d MiB", 3*n, ratios, peak>>20)
	require.LessOrEqual(t, median(ratios), 1.2)
	require.LessOrEqual(t, peak, uint64(256<<20))
	require.Equal(t, recsys.MaxNotFolded, b.last()[user].EventsNotFolded)
	require.Len(t, b.delivered(), sent+sent/(users/3), "the next training gets every event")
}

func median[T cmp.Ordered](values []T) T { return slices.Sorted(slices.Values(values))[len(values)/2] }
