package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// final is the final state of a user.
type final struct {
	State recommend.State
	List  recommend.List
	Last  string // recommendation_id of the last delivered list
}

func (b *bundle) finals(users []string) map[string]final {
	b.t.Helper()
	out := map[string]final{}
	last := b.last()
	reader := recommend.NewReader(b.db, b.version, b.manifest())
	for part := range slices.Chunk(users, 100) {
		states, err := reader.Read(b.t.Context(), part)
		require.NoError(b.t, err)
		_, err = reader.Load(b.t.Context(), states)
		require.NoError(b.t, err)
		lists, err := reader.Lists(b.t.Context(), recommend.Request{K: b.ListLength}, part)
		require.NoError(b.t, err)
		for i, s := range states {
			st, err := reader.Fold(s)
			require.NoError(b.t, err)
			out[s.ID] = final{State: st, List: lists[i], Last: last[s.ID].RecommendationID}
		}
	}
	return out
}

func (b *bundle) manifest() *recsys.Manifest {
	m, err := b.db.Manifest(b.t.Context(), b.version.ID)
	require.NoError(b.t, err)
	return m
}

// manyEvents makes n events of the given users and 30 new ones, many of them
// close together, some late, some without weight.
func manyEvents(r *rand.Rand, n int, users []recsys.User) []recsys.Event {
	kinds := []string{recsys.Click, recsys.View, recsys.Purchase, recsys.AddToCart, recsys.Impression, "share"}
	out := make([]recsys.Event, n)
	for i := range out {
		user := fmt.Sprintf("newcomer-%d", r.IntN(30))
		if r.IntN(10) > 0 {
			user = users[r.IntN(len(users))].ID
		}
		out[i] = recsys.Event{
			EventID: fmt.Sprintf("event-%06d", i), UserID: user, ItemID: fmt.Sprintf("i%06d", r.IntN(420)), // the last twenty are unknown
			EventType:  kinds[r.IntN(len(kinds))],
			OccurredAt: time.Date(2024, 12, 20, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.IntN(60*24*60)) * time.Minute).Add(time.Duration(r.IntN(3)) * time.Microsecond),
		}
	}
	return out
}

// sendAll sends events in batches of random size, up to maxBatch.
func (b *bundle) sendAll(r *rand.Rand, evs []recsys.Event, maxBatch int) {
	b.t.Helper()
	for len(evs) > 0 {
		n := min(1+r.IntN(maxBatch), len(evs))
		require.Empty(b.t, b.send(evs[:n]...))
		evs = evs[n:]
	}
}

func thrice(r *rand.Rand, evs []recsys.Event) []recsys.Event {
	out := slices.Concat(evs, evs, evs)
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func affected(evs []recsys.Event) (users []string) {
	for _, e := range evs {
		if e.EventType != recsys.Impression {
			users = append(users, e.UserID)
		}
	}
	return distinct(users)
}

// The result depends only on the set of events.
func TestHandler_ignores_order_duplicates_and_splits(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	b.EvaluateShare = 0
	check := func(t require.TestingT, seed uint64, n, users, maxBatch int) {
		r := rand.New(rand.NewPCG(seed, 1))
		evs := manyEvents(r, n, b.data.Users[:users])
		b.clear()
		b.sendAll(r, evs, max(n/2, 1))
		want := b.finals(affected(evs))
		for id, f := range want {
			require.Equal(t, f.List.RecommendationID, f.Last, "the last list delivered is the current one")
			require.NotEmpty(t, f.List.Items)
			require.NotEmpty(t, id)
		}
		b.clear()
		b.sendAll(r, thrice(r, evs), maxBatch)
		require.Equal(t, want, b.finals(affected(evs)))
	}
	t.Run("it handles 10,000 events", func(t *testing.T) {
		b.t = t
		check(t, 1, 10_000, 600, 10_000)
	})
	t.Run("it handles small sets", func(t *testing.T) {
		b.t = t
		rapid.Check(t, func(t *rapid.T) {
			n := rapid.IntRange(1, 40).Draw(t, "events")
			check(t, rapid.Uint64().Draw(t, "seed"), n, rapid.IntRange(1, 5).Draw(t, "users"), rapid.IntRange(1, 20).Draw(t, "maxBatch"))
		})
	})
}

// clear deletes events, verdicts and deliveries and keeps the handler's caches.
func (b *bundle) clear() {
	b.t.Helper()
	b.out.lines = map[string][][]byte{}
	b.next = 0
	b.deleteEvents()
}

func TestHandler_with_a_hot_user(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{Items: 2000})
	r := rand.New(rand.NewPCG(3, 3))
	evs := make([]recsys.Event, 10_000)
	for i := range evs {
		evs[i] = click("u00007", r.IntN(2000), i)
	}
	begin := time.Now()
	require.Empty(t, b.send(evs...))
	took := time.Since(begin)
	t.Logf("a batch of %d events of one user took %s", len(evs), took)
	assert.Less(t, took, 20*time.Second)
	require.Len(t, b.lists(), 1)
	assert.Equal(t, b.list("u00007").RecommendationID, b.lists()[0].RecommendationID)
	assert.Len(t, b.delivered(), len(evs))
}
