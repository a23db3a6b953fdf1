package recommend_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// bundle is a live version and its data.
type bundle struct {
	store   *postgrestest.Store
	version recsys.Version
	data    postgrestest.Data
	vectors map[string][]float32
	recommend.Recommender
}

func setup(t *testing.T, f postgrestest.Fixture) *bundle {
	t.Helper()
	t.Parallel()
	b := &bundle{store: postgrestest.New(t), vectors: map[string][]float32{}}
	f.Change = func(d *postgrestest.Data) { b.data = *d }
	b.version = postgrestest.Build(t, b.store, f)
	b.promote(t, b.version)
	b.Recommender = recommend.Recommender{Versions: b.store.VersionStore, Embeddings: b.store.EmbeddingStore}
	for _, i := range b.data.Items {
		b.vectors[i.ItemID] = i.Vector
	}
	return b
}

func (b *bundle) promote(t *testing.T, v recsys.Version) {
	t.Helper()
	_, err := b.store.Promote(t.Context(), versions.Promotion{Version: v.ID, Actor: "test"})
	require.NoError(t, err)
}

// expect returns the exact list for a vector, computed in Go.
func (b *bundle) expect(vector []float32, k int, without []string, keep func(postgrestest.ItemRow) bool) []string {
	type scored struct {
		id    string
		score float64
	}
	var all []scored
	for _, i := range b.data.Items {
		if !i.Available || slices.Contains(without, i.ItemID) || keep != nil && !keep(i) {
			continue
		}
		all = append(all, scored{i.ItemID, dot(vector, i.Vector)})
	}
	slices.SortFunc(all, func(a, b scored) int {
		if a.score != b.score {
			return map[bool]int{true: -1, false: 1}[a.score > b.score]
		}
		return map[bool]int{true: -1, false: 1}[a.id < b.id]
	})
	var ids []string
	for _, s := range all[:min(k, len(all))] {
		ids = append(ids, s.id)
	}
	return ids
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func ids(l recommend.List) (out []string) {
	for _, i := range l.Items {
		out = append(out, i.ItemID)
	}
	return out
}

// click streams an event after the coverage of the fixture.
func (b *bundle) click(t *testing.T, user, item, kind string) recsys.Event {
	t.Helper()
	e := recsys.Event{
		EventID: fmt.Sprintf("%s-%s-%s", user, item, kind), UserID: user, ItemID: item, EventType: kind,
		OccurredAt: b.version.Coverage.To.Add(time.Hour),
	}
	postgrestest.Stream(t, b.store, e)
	return e
}

func TestRecommend_personalized(t *testing.T) {
	b := setup(t, postgrestest.Fixture{})
	user := b.data.Users[5]
	seen := slices.Concat(user.History.Items, user.History.Seen)
	require.NotEmpty(t, user.History.Seen)

	t.Run("it searches with the stored vector and excludes seen items", func(t *testing.T) {
		list, err := b.Recommend(t.Context(), recommend.Request{UserID: user.ID, K: 20})
		require.NoError(t, err)
		assert.Equal(t, recommend.Personalized, list.Stage)
		assert.Equal(t, b.version.ID, list.Version)
		assert.Equal(t, b.expect(user.Vector, 20, seen, nil), ids(list))
		assert.InDelta(t, dot(user.Vector, b.vectors[list.Items[0].ItemID]), list.Items[0].Score, 1e-6)
		assert.Equal(t, 20, list.Items[19].Rank)
		assert.NotEmpty(t, list.Items[0].Title)
	})
	t.Run("it includes seen items if requested", func(t *testing.T) {
		list, err := b.Recommend(t.Context(), recommend.Request{UserID: user.ID, K: 20, ExcludeSeen: recommend.SeenNone})
		require.NoError(t, err)
		assert.Equal(t, b.expect(user.Vector, 20, nil, nil), ids(list))
	})
	t.Run("it filters by category and tags and returns all eligible items", func(t *testing.T) {
		rare := func(i postgrestest.ItemRow) bool {
			return i.Category == "c1" && slices.Contains(i.Tags, "rare")
		}
		list, err := b.Recommend(t.Context(), recommend.Request{UserID: user.ID, K: 50, Category: "c1", Tags: []string{"rare"}})
		require.NoError(t, err)
		assert.Equal(t, b.expect(user.Vector, 50, seen, rare), ids(list))
		assert.NotEmpty(t, list.Items)
		assert.Less(t, len(list.Items), 50)
	})
	t.Run("it reads the requested version", func(t *testing.T) {
		other := postgrestest.Build(t, b.store, postgrestest.Fixture{RunID: "other", Seed: 7, Dimension: 8})
		list, err := b.Recommend(t.Context(), recommend.Request{UserID: user.ID, K: 3, Version: other.ID})
		require.NoError(t, err)
		assert.Equal(t, other.ID, list.Version)
		_, err = b.Recommend(t.Context(), recommend.Request{UserID: user.ID, K: 3, Version: 99})
		assert.ErrorIs(t, err, recsys.ErrNotFound)
		loading := postgrestest.Load(t, b.store, postgrestest.Fixture{RunID: "half"})
		_, err = b.Recommend(t.Context(), recommend.Request{UserID: user.ID, K: 3, Version: loading.ID})
		assert.ErrorContains(t, err, "loading", "it does not read an incomplete version")
	})
}

func TestRecommend_folds_in_live_events(t *testing.T) {
	b := setup(t, postgrestest.Fixture{})
	live, err := b.store.Live(t.Context())
	require.NoError(t, err)
	m := live.Manifest

	fold := func(h recsys.History) []float32 {
		items := make([][]float32, len(h.Items))
		for i, id := range h.Items {
			items[i] = b.vectors[id]
		}
		v, err := m.FoldIn().Vector(items, h.Weights)
		require.NoError(t, err)
		return v
	}

	t.Run("it folds in uncovered events", func(t *testing.T) {
		user := b.data.Users[9]
		fresh := b.expect(user.Vector, 400, user.History.Items, nil)[300] // far from the user's taste
		e := b.click(t, user.ID, fresh, recsys.Purchase)
		h := m.Interest.Extend(user.History, []recsys.Event{e})
		list, err := b.Recommend(t.Context(), recommend.Request{UserID: user.ID, K: 20})
		require.NoError(t, err)
		assert.Equal(t, recommend.Personalized, list.Stage)
		want := b.expect(fold(h), 20, slices.Concat(h.Items, h.Seen), nil)
		assert.Equal(t, want, ids(list))
		assert.NotEqual(t, b.expect(user.Vector, 20, slices.Concat(h.Items, h.Seen), nil), want)
	})
	t.Run("it takes back a returned item", func(t *testing.T) {
		user := b.data.Users[8]
		back := user.History.Items[0]
		e := recsys.Event{EventID: "back", UserID: user.ID, ItemID: back, EventType: "Purchase", Value: new(float64), OccurredAt: b.version.Coverage.To.Add(time.Hour)}
		*e.Value = -1
		postgrestest.Stream(t, b.store, e)
		h := m.Interest.Extend(user.History, []recsys.Event{e})
		require.NotContains(t, h.Items, back)
		list, err := b.Recommend(t.Context(), recommend.Request{UserID: user.ID, K: 20})
		require.NoError(t, err)
		assert.Equal(t, b.expect(fold(h), 20, slices.Concat(h.Items, h.Seen), nil), ids(list))
		assert.NotContains(t, ids(list), back, "it stays a seen item")
	})
	t.Run("it makes a popular list for a user who sent everything back", func(t *testing.T) {
		e := b.click(t, "regretful", "i000010", recsys.Purchase)
		e.EventID, e.Value = "regret", new(float64)
		*e.Value = -2
		postgrestest.Stream(t, b.store, e)
		list, err := b.Recommend(t.Context(), recommend.Request{UserID: "regretful", K: 10})
		require.NoError(t, err)
		assert.Equal(t, recommend.Popular, list.Stage)
		assert.NotContains(t, ids(list), "i000010")
	})
	t.Run("it does not fold in covered events", func(t *testing.T) {
		user := b.data.Users[10]
		old := recsys.Event{
			EventID: "late-copy", UserID: user.ID, ItemID: "i000003", EventType: recsys.Purchase,
			OccurredAt: b.version.Coverage.To.Add(-time.Hour),
		}
		postgrestest.Stream(t, b.store, old)
		future := b.version.Coverage
		future.StoredTo = time.Now().Add(time.Hour)
		v := postgrestest.Build(t, b.store, postgrestest.Fixture{RunID: "covers-more", Coverage: future})
		list, err := b.Recommend(t.Context(), recommend.Request{UserID: user.ID, K: 10, Version: v.ID})
		require.NoError(t, err)
		stored, err := b.store.User(t.Context(), v, user.ID)
		require.NoError(t, err)
		assert.Equal(t, b.expect(stored.Vector, 10, slices.Concat(stored.History.Items, stored.History.Seen), nil), ids(list))
	})
	t.Run("it uses the stored vector if the new events have no weight", func(t *testing.T) {
		user := b.data.Users[11]
		shown := b.expect(user.Vector, 1, slices.Concat(user.History.Items, user.History.Seen), nil)[0]
		before, err := b.Recommend(t.Context(), recommend.Request{UserID: user.ID, K: 10})
		require.NoError(t, err)
		b.click(t, user.ID, shown, "bookmark")
		list, err := b.Recommend(t.Context(), recommend.Request{UserID: user.ID, K: 10})
		require.NoError(t, err)
		assert.Equal(t, b.expect(user.Vector, 10, slices.Concat(user.History.Items, user.History.Seen, []string{shown}), nil), ids(list))
		assert.NotEqual(t, before.RecommendationID, list.RecommendationID)
	})
	t.Run("it ignores impressions", func(t *testing.T) {
		user := b.data.Users[12]
		before, err := b.Recommend(t.Context(), recommend.Request{UserID: user.ID, K: 10})
		require.NoError(t, err)
		b.click(t, user.ID, before.Items[0].ItemID, recsys.Impression)
		list, err := b.Recommend(t.Context(), recommend.Request{UserID: user.ID, K: 10})
		require.NoError(t, err)
		assert.Equal(t, before, list)
	})
	t.Run("it ignores items that the version does not contain", func(t *testing.T) {
		user := b.data.Users[13]
		known := b.click(t, user.ID, "i000010", recsys.Purchase)
		before, err := b.Recommend(t.Context(), recommend.Request{UserID: user.ID, K: 10})
		require.NoError(t, err)
		later := known
		later.EventID, later.ItemID, later.OccurredAt = "of-tomorrow", "an-item-of-tomorrow", known.OccurredAt.Add(365*24*time.Hour)
		postgrestest.Stream(t, b.store, later)
		list, err := b.Recommend(t.Context(), recommend.Request{UserID: user.ID, K: 10})
		require.NoError(t, err)
		assert.Equal(t, before, list, "the list, its id and the age of the other events are the same")
	})
	t.Run("it makes a session list from a new user's clicks", func(t *testing.T) {
		e := b.click(t, "newcomer", "i000010", recsys.Click)
		list, err := b.Recommend(t.Context(), recommend.Request{UserID: "newcomer", K: 10})
		require.NoError(t, err)
		assert.Equal(t, recommend.Session, list.Stage)
		h := m.Interest.Extend(recsys.History{}, []recsys.Event{e})
		assert.Equal(t, b.expect(fold(h), 10, []string{"i000010"}, nil), ids(list))
	})
	t.Run("it falls back to popular items if no event has weight", func(t *testing.T) {
		popular, err := b.store.Popular(t.Context(), b.version, recsys.Query{K: 11})
		require.NoError(t, err)
		b.click(t, "onlooker", popular[2].ItemID, recsys.Impression)
		b.click(t, "outsider", "an-item-of-tomorrow", recsys.Purchase)
		b.click(t, "hesitant", popular[2].ItemID, "bookmark")
		for user, without := range map[string]string{"onlooker": "", "hesitant": popular[2].ItemID, "outsider": "", "unknown-user": ""} {
			list, err := b.Recommend(t.Context(), recommend.Request{UserID: user, K: 10})
			require.NoError(t, err)
			assert.Equal(t, recommend.Popular, list.Stage, user)
			var want []string
			for _, p := range popular {
				if p.ItemID != without && len(want) < 10 {
					want = append(want, p.ItemID)
				}
			}
			assert.Equal(t, want, ids(list), user)
			assert.Equal(t, popular[0].Score, list.Items[0].Score)
		}
	})
}

func TestRecommendMany(t *testing.T) {
	b := setup(t, postgrestest.Fixture{Users: 230})
	users := func(yield func(string) bool) {
		for _, u := range b.data.Users {
			if !yield(u.ID) {
				return
			}
		}
		yield("unknown-user")
	}

	t.Run("it makes the same lists as single requests, in order", func(t *testing.T) {
		var lists []recommend.List
		err := b.RecommendMany(t.Context(), recommend.Request{K: 5}, users, func(l recommend.List) error {
			lists = append(lists, l)
			return nil
		})
		require.NoError(t, err)
		require.Len(t, lists, 231)
		for _, n := range []int{0, 99, 100, 229, 230} {
			single, err := b.Recommend(t.Context(), recommend.Request{UserID: lists[n].UserID, K: 5})
			require.NoError(t, err)
			assert.Equal(t, single, lists[n])
		}
		assert.Equal(t, recommend.Popular, lists[230].Stage)
	})
	t.Run("it stops at an error of emit", func(t *testing.T) {
		enough := errors.New("enough")
		err := b.RecommendMany(t.Context(), recommend.Request{K: 5}, users, func(recommend.List) error { return enough })
		assert.ErrorIs(t, err, enough)
	})
	t.Run("it rejects an invalid length", func(t *testing.T) {
		for _, k := range []int{0, -1, recommend.MaxK + 1} {
			_, err := b.Recommend(t.Context(), recommend.Request{UserID: "u", K: k})
			assert.ErrorContains(t, err, "k is")
		}
	})
	t.Run("it continues with the live version if its own is dropped", func(t *testing.T) {
		next := postgrestest.Build(t, b.store, postgrestest.Fixture{RunID: "next", Users: 230})
		conn := postgrestest.Conn(t, b.store)
		var seen []int64
		dropping := iter.Seq[string](func(yield func(string) bool) {
			n := 0
			for id := range users {
				if n++; n == 150 { // the first hundred are done, the second is being read
					b.promote(t, next)
					_, err := conn.Exec(t.Context(), fmt.Sprintf("DROP SCHEMA v%d CASCADE", b.version.ID))
					require.NoError(t, err)
				}
				if !yield(id) {
					return
				}
			}
		})
		err := b.RecommendMany(t.Context(), recommend.Request{K: 5}, dropping, func(l recommend.List) error {
			seen = append(seen, l.Version)
			return nil
		})
		require.NoError(t, err)
		require.Len(t, seen, 231)
		assert.Equal(t, b.version.ID, seen[99])
		assert.Equal(t, next.ID, seen[100])

		_, err = b.Recommend(t.Context(), recommend.Request{UserID: "u00001", K: 5, Version: b.version.ID})
		assert.ErrorIs(t, err, recsys.ErrVersionGone, "it does not replace a requested version")
	})
}

func TestSimilar(t *testing.T) {
	b := setup(t, postgrestest.Fixture{})
	const item = "i000010"
	t.Run("it lists the items with the largest inner product, without the item", func(t *testing.T) {
		list, err := b.Similar(t.Context(), item, recommend.Request{K: 10})
		require.NoError(t, err)
		assert.Equal(t, b.expect(b.vectors[item], 10, []string{item}, nil), ids(list))
		assert.Equal(t, "Item 10", list.Item.Title)
		assert.Empty(t, list.UserID)
	})
	t.Run("it scores by the β of the manifest", func(t *testing.T) {
		changed := postgrestest.Build(t, b.store, postgrestest.Fixture{RunID: "run-beta", ChangeManifest: func(m *recsys.Manifest) {
			m.Similar = &recsys.Similar{Beta: 0.75}
		}})
		list, err := b.Similar(t.Context(), item, recommend.Request{K: 10, Version: changed.ID})
		require.NoError(t, err)
		hits := make([]recsys.Hit, 0, len(b.data.Items))
		for _, i := range b.data.Items {
			if i.Available && i.ItemID != item {
				hits = append(hits, recsys.Hit{Item: i.Item, Score: recsys.SimilarScore(b.vectors[item], i.Vector, 0.75)})
			}
		}
		for n, hit := range recsys.Best(hits, 10) {
			assert.Equal(t, hit.ItemID, list.Items[n].ItemID)
			assert.Equal(t, hit.Score, list.Items[n].Score)
		}
	})
	t.Run("it filters by category", func(t *testing.T) {
		list, err := b.Similar(t.Context(), item, recommend.Request{K: 10, Category: "c3", Version: b.version.ID})
		require.NoError(t, err)
		assert.Equal(t, b.expect(b.vectors[item], 10, []string{item}, func(i postgrestest.ItemRow) bool { return i.Category == "c3" }), ids(list))
	})
	t.Run("it returns ErrUnknownItem for an unknown item", func(t *testing.T) {
		_, err := b.Similar(t.Context(), "nothing", recommend.Request{K: 10})
		assert.ErrorIs(t, err, recommend.ErrUnknownItem)
	})
}

func TestRecommend_without_a_live_version(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	r := recommend.Recommender{Versions: s.VersionStore, Embeddings: s.EmbeddingStore}
	_, err := r.Recommend(t.Context(), recommend.Request{UserID: "u", K: 5})
	assert.ErrorIs(t, err, recsys.ErrNoLiveVersion)
	_, err = r.Similar(t.Context(), "i", recommend.Request{K: 5})
	assert.ErrorIs(t, err, recsys.ErrNoLiveVersion)
}
