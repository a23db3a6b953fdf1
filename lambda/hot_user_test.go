package main

import (
	"fmt"
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
