package recommend_test

import (
	"errors"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

func sequence(ids []string, end error) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
		if end != nil {
			yield("", end)
		}
	}
}

// everyone returns the users of the version, some of them with new events, and users
// that are known from events only, or not at all.
func (b *bundle) everyone(t *testing.T) (ids []string) {
	t.Helper()
	for i, u := range b.data.Users {
		ids = append(ids, u.ID)
		if i%5 == 0 {
			b.click(t, u.ID, b.data.Items[i%len(b.data.Items)].ItemID, recsys.Purchase)
		}
	}
	for _, id := range []string{"session-1", "session-2"} {
		b.click(t, id, b.data.Items[7].ItemID, recsys.Click)
		ids = append(ids, id)
	}
	return append(ids, "stranger-1", "stranger-2")
}

func TestRecommendAll_equals_Recommend(t *testing.T) {
	b := setup(t, postgrestest.Fixture{})
	ids := b.everyone(t)
	memory := recommend.NewMemory(b.store, 1<<30)
	require.NoError(t, memory.Load(t.Context(), b.version))
	r := rand.New(rand.NewPCG(1, 2))
	for range 8 {
		req := recommend.Request{
			K: 1 + r.IntN(150), Version: []int64{0, b.version.ID}[r.IntN(2)], ExcludeSeen: []string{recommend.SeenAll, recommend.SeenNone}[r.IntN(2)],
			Category: []string{"", b.data.Items[3].Category}[r.IntN(2)],
		}
		if r.IntN(3) == 0 {
			req.Tags = b.data.Items[3].Tags
		}
		for _, m := range []*recommend.Memory{nil, memory} {
			batch := recommend.Recommender{Versions: b.Versions, Embeddings: b.Embeddings, Memory: m}
			i, stages, began := 0, map[string]int{}, time.Now()
			require.NoError(t, batch.RecommendAll(t.Context(), req, sequence(ids, nil), 1+r.IntN(4), func(got recommend.List, at time.Time) error {
				require.WithinRange(t, at, began, time.Now())
				stages[got.Stage]++
				if r.IntN(20) == 0 || i > len(ids)-5 { // a sample, for the time that it takes
					one := req
					one.UserID = ids[i]
					want, err := b.Recommend(t.Context(), one)
					require.NoError(t, err)
					require.Equal(t, normalized(want), normalized(got))
				}
				require.Equal(t, ids[i], got.UserID, "in the order of the users")
				i++
				return nil
			}))
			require.Len(t, ids, i)
			require.Equal(t, map[string]int{recommend.Personalized: len(b.data.Users), recommend.Session: 2, recommend.Popular: 2}, stages)
		}
	}
}

// normalized has no difference between nil and empty tags.
func normalized(l recommend.List) recommend.List {
	for i := range l.Items {
		l.Items[i].Tags = append([]string{}, l.Items[i].Tags...)
	}
	return l
}

func TestRecommendAll_stops_at_the_first_error(t *testing.T) {
	b := setup(t, postgrestest.Fixture{Items: 40, Users: 30})
	var ids []string
	for range 100 {
		for _, u := range b.data.Users {
			ids = append(ids, u.ID)
		}
	}
	broken := errors.New("broken")
	req := recommend.Request{K: 5}
	emitted := 0
	count := func(recommend.List, time.Time) error { emitted++; return nil }
	require.ErrorIs(t, b.RecommendAll(t.Context(), req, sequence(ids, broken), 3, count), broken, "of the users")
	require.ErrorIs(t, b.RecommendAll(t.Context(), req, sequence(ids, nil), 3, func(recommend.List, time.Time) error { return broken }), broken, "of emit")
	require.Error(t, b.RecommendAll(t.Context(), recommend.Request{}, sequence(ids, nil), 3, count), "an invalid request")

	other := postgrestest.Build(t, b.store, postgrestest.Fixture{RunID: "other", Items: 40, Users: 30})
	req.Version = other.ID
	emitted = 0
	err := b.RecommendAll(t.Context(), req, func(yield func(string, error) bool) {
		for i, id := range ids {
			if i == 1000 {
				require.NoError(t, b.store.Delete(t.Context(), versions.Deletion{Version: other.ID, RollbackTarget: true}))
				_, err := b.store.Prune(t.Context(), versions.PruneOptions{})
				require.NoError(t, err)
			}
			if !yield(id, nil) {
				return
			}
		}
	}, 2, count)
	require.ErrorIs(t, err, recsys.ErrVersionGone)
	require.Less(t, emitted, len(ids))
}

func TestSlot(t *testing.T) {
	b := setup(t, postgrestest.Fixture{Items: 40, Users: 30})
	slot := recommend.NewSlot(b.store, 1<<30)
	memory, release, err := slot.Acquire(t.Context())
	require.NoError(t, err)
	require.NoError(t, memory.Load(t.Context(), b.version))
	_, _, free := slot.TryAcquire()
	require.False(t, free)
	waited := make(chan func())
	go func() {
		_, next, err := slot.Acquire(t.Context())
		if err == nil {
			waited <- next
		}
	}()
	release()
	(<-waited)()
	memory, release, free = slot.TryAcquire()
	require.True(t, free)
	require.Equal(t, 40, memory.Items(b.version), "it still holds the items")
	memory.Release()
	require.Zero(t, memory.Items(b.version))
	release()
}
