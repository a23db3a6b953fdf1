package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// storedTrial is a trial in the database.
type storedTrial struct {
	Version               int64
	LiveStage, StaleStage string
	LiveRank, StaleRank   int
}

func (b *bundle) trials() map[string]storedTrial {
	b.t.Helper()
	rows, err := b.conn.Query(b.t.Context(), "SELECT event_id, version_id, live_stage, stale_stage, live_rank, stale_rank FROM recflow.evaluations")
	require.NoError(b.t, err)
	defer rows.Close()
	out := map[string]storedTrial{}
	for rows.Next() {
		var id string
		var x storedTrial
		require.NoError(b.t, rows.Scan(&id, &x.Version, &x.LiveStage, &x.StaleStage, &x.LiveRank, &x.StaleRank))
		out[id] = x
	}
	require.NoError(b.t, rows.Err())
	return out
}

// rank returns an item's current position in a user's list, before any event is
// sent.
func (b *bundle) rank(user, item string) int {
	b.t.Helper()
	l, err := (&recommend.Recommender{Versions: b.db.VersionStore, Embeddings: b.db.EmbeddingStore}).Recommend(b.t.Context(), recommend.Request{UserID: user, K: trialDepth})
	require.NoError(b.t, err)
	return rankOf(l, item)
}

func TestPrequentialEvaluation(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	b.EvaluateShare = 1
	user := b.data.Users[3]
	item := func(n int) string { // the n-th item of the user's current list
		return b.list(user.ID).Items[n].ItemID
	}
	event := func(id, item, kind string, minute int) recsys.Event {
		e := click(user.ID, 0, minute)
		e.EventID, e.ItemID, e.EventType = id, item, kind
		return e
	}
	stale := map[string]int{}
	for i, it := range b.deep(user.ID) {
		stale[it] = i + 1
	}

	second := item(1)
	require.Empty(t, b.send(event("first", second, recsys.Click, 1)))
	assert.Equal(t, storedTrial{b.version.ID, recommend.Personalized, recommend.Personalized, 2, 2}, b.trials()["first"])

	target := item(4)
	require.Empty(t, b.send(
		event("b-later", item(6), recsys.Click, 9),
		event("again", second, recsys.Click, 2),
		event("a-first", target, recsys.Click, 3),
		event("shown", item(7), recsys.Impression, 4),
	))
	got := b.trials()
	assert.Equal(t, storedTrial{b.version.ID, recommend.Personalized, recommend.Personalized, 5, stale[target]}, got["a-first"],
		"it evaluates the earliest event on an unseen item against the version alone")
	assert.Len(t, got, 2, "it evaluates one event per user and batch, and no impression")

	t.Run("it keeps the first evaluation when a batch is retried", func(t *testing.T) {
		require.Empty(t, b.send(event("a-first", target, recsys.Click, 3)))
		assert.Equal(t, got, b.trials())
	})
	t.Run("it compares popular lists for unknown users", func(t *testing.T) {
		before := b.rank("stranger", b.list("stranger").Items[2].ItemID)
		require.Equal(t, 3, before)
		e := event("stranger-1", b.list("stranger").Items[2].ItemID, recsys.Click, 1)
		e.UserID = "stranger"
		require.Empty(t, b.send(e))
		assert.Equal(t, storedTrial{b.version.ID, recommend.Popular, recommend.Popular, 3, 3}, b.trials()["stranger-1"])
		e.EventID, e.ItemID = "stranger-2", b.list("stranger").Items[0].ItemID
		require.Empty(t, b.send(e))
		assert.Equal(t, recommend.Session, b.trials()["stranger-2"].LiveStage)
		assert.Equal(t, 1, b.trials()["stranger-2"].LiveRank)
		assert.Equal(t, recommend.Popular, b.trials()["stranger-2"].StaleStage)
	})
	t.Run("it evaluates the configured share of events, chosen by event id", func(t *testing.T) {
		b.EvaluateShare = 0.1
		n := 0
		for i := range 10_000 {
			if b.inSample(fmt.Sprint("event-", i)) {
				n++
			}
		}
		assert.InDelta(t, 1000, n, 120)
		b.EvaluateShare = 0
		assert.False(t, b.inSample("event-1"))
	})
}

// deep returns the user's current list of trialDepth items.
func (b *bundle) deep(user string) []string {
	b.t.Helper()
	l, err := (&recommend.Recommender{Versions: b.db.VersionStore, Embeddings: b.db.EmbeddingStore}).Recommend(b.t.Context(), recommend.Request{UserID: user, K: trialDepth})
	require.NoError(b.t, err)
	out := make([]string, len(l.Items))
	for i, it := range l.Items {
		out[i] = it.ItemID
	}
	return out
}
