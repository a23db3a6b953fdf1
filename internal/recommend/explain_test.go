package recommend_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// TestExplain_terms_sum_to_the_score checks 1,000 random pairs of a user and an
// item: trained users with and without new events and recent items, and new users.
func TestExplain_terms_sum_to_the_score(t *testing.T) {
	b := setup(t, postgrestest.Fixture{})
	b.Readers = recommend.NewReaderPool(0)
	r := rand.New(rand.NewPCG(7, 8))
	random := func() string { return b.data.Items[r.IntN(len(b.data.Items))].ItemID }
	pairs := 0
	for n := range 50 {
		user := b.data.Users[n].ID
		if n%5 == 4 {
			user = "newcomer-" + user
		}
		for range n % 4 {
			b.click(t, user, random(), []string{recsys.Click, recsys.Purchase}[r.IntN(2)])
		}
		req := recommend.Request{UserID: user, K: recommend.MaxK, ExcludeSeen: recommend.SeenNone}
		if n%3 == 0 || n%5 == 4 {
			req.Recent = []string{random(), random(), "an-item-of-tomorrow"}
		}
		list, err := b.Recommend(t.Context(), req)
		require.NoError(t, err)
		require.Greater(t, len(list.Items), 300)
		for range 20 {
			served := list.Items[r.IntN(len(list.Items))]
			e, err := b.Explain(t.Context(), req, served.ItemID)
			require.NoError(t, err)
			require.Equal(t, []any{list.RecommendationID, list.Stage, list.Version, served.Item}, []any{e.RecommendationID, e.Stage, e.Version, e.Item})
			require.Empty(t, e.ExcludedBy)
			require.NotEmpty(t, e.Terms)
			var sum float64
			for _, term := range e.Terms {
				require.NotEmpty(t, term.Title)
				sum += term.Score
			}
			tolerance := 1e-5 * max(1, math.Abs(served.Score))
			require.InDelta(t, served.Score, sum, tolerance)
			require.InDelta(t, served.Score, e.Score, tolerance)
			require.True(t, slices.IsSortedFunc(e.Terms, func(a, b recommend.Term) int {
				return int(math.Copysign(1, math.Abs(b.Score)-math.Abs(a.Score)))
			}))
			pairs++
		}
	}
	require.Equal(t, 1000, pairs)
}

func TestExplain(t *testing.T) {
	b := setup(t, postgrestest.Fixture{})
	user := b.data.Users[5]
	t.Run("it returns the rule of a popular list", func(t *testing.T) {
		req := recommend.Request{UserID: "unknown-user", K: 20}
		list, err := b.Recommend(t.Context(), req)
		require.NoError(t, err)
		for _, n := range []int{0, 19} {
			e, err := b.Explain(t.Context(), req, list.Items[n].ItemID)
			require.NoError(t, err)
			assert.Equal(t, []any{recommend.Popular, int64(n + 1), list.Items[n].Score, list.RecommendationID}, []any{e.Stage, e.PopularityRank, e.Score, e.RecommendationID})
			assert.Contains(t, e.Rule, "popularity")
			assert.Empty(t, e.Terms)
		}
	})
	t.Run("it returns why an item is excluded", func(t *testing.T) {
		const unavailable = "i000029"
		for name, test := range map[string]struct {
			item string
			req  recommend.Request
			want []string
		}{
			"seen":        {user.History.Items[0], recommend.Request{}, []string{recommend.AlreadySeen}},
			"not seen":    {user.History.Items[0], recommend.Request{ExcludeSeen: recommend.SeenNone}, []string{}},
			"recent":      {"i000010", recommend.Request{Recent: []string{"i000010"}}, []string{recommend.AlreadySeen}},
			"unavailable": {unavailable, recommend.Request{}, []string{recommend.Unavailable}},
			"excluded":    {"i000010", recommend.Request{Exclude: []string{"i000010"}}, []string{recommend.ExcludedByRequest}},
			"filtered":    {"i000010", recommend.Request{Category: "none", Tags: []string{"even", "none"}}, []string{recommend.OtherCategory, recommend.OtherTags}},
		} {
			test.req.UserID, test.req.K = user.ID, 10
			e, err := b.Explain(t.Context(), test.req, test.item)
			require.NoError(t, err)
			assert.Equal(t, test.want, e.ExcludedBy, name)
			assert.NotEmpty(t, e.Terms, name)
		}
		_, err := b.Explain(t.Context(), recommend.Request{UserID: user.ID, K: 10}, "nothing")
		assert.ErrorIs(t, err, recommend.ErrUnknownItem)
	})
}

func TestRecommend_with_recent_items(t *testing.T) {
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
	const recent = "i000010"
	lists := func(req recommend.Request) recommend.List {
		t.Helper()
		req.K = 20
		list, err := b.Recommend(t.Context(), req)
		require.NoError(t, err)
		require.Regexp(t, "^[0-9a-f]{32}$", list.RecommendationID)
		return list
	}
	t.Run("it makes the list that stored clicks would make, and stores nothing", func(t *testing.T) {
		user := b.data.Users[9]
		before := lists(recommend.Request{UserID: user.ID})
		list := lists(recommend.Request{UserID: user.ID, Recent: []string{recent}})
		assert.Equal(t, recommend.Personalized, list.Stage)
		assert.NotEqual(t, before.RecommendationID, list.RecommendationID)
		reference := user.History.Reference
		if b.version.Coverage.To.After(reference) {
			reference = b.version.Coverage.To
		}
		h := m.Interest.Extend(user.History, []recsys.Event{{EventID: "e", ItemID: recent, EventType: recsys.Click, OccurredAt: reference}})
		assert.Equal(t, b.expect(fold(h), 20, slices.Concat(h.Items, h.Seen), nil), ids(list))
		assert.Equal(t, before, lists(recommend.Request{UserID: user.ID}))
	})
	t.Run("it treats recent items as newer than all events", func(t *testing.T) {
		user := b.data.Users[10]
		e := b.click(t, user.ID, "i000011", recsys.Purchase) // an hour after the coverage of the version
		list := lists(recommend.Request{UserID: user.ID, Recent: []string{recent}})
		now := recsys.Event{EventID: "z", ItemID: recent, EventType: recsys.Click, OccurredAt: e.OccurredAt}
		h := m.Interest.Extend(user.History, []recsys.Event{e, now})
		assert.Equal(t, b.expect(fold(h), 20, slices.Concat(h.Items, h.Seen), nil), ids(list))
	})
	t.Run("it makes a session list for an unknown user and for no user", func(t *testing.T) {
		want := b.expect(b.sessionVector(t, fold, m.Interest, recent), 20, []string{recent}, nil)
		for _, user := range []string{"unknown", ""} {
			list := lists(recommend.Request{UserID: user, Recent: []string{recent}})
			assert.Equal(t, recommend.Session, list.Stage)
			assert.Equal(t, want, ids(list))
		}
	})
	t.Run("it ignores unknown items, repetitions and order", func(t *testing.T) {
		one := lists(recommend.Request{Recent: []string{recent, "i000020"}})
		assert.Equal(t, one, lists(recommend.Request{Recent: []string{"i000020", "tomorrow", recent, recent}}))
		assert.Equal(t, recommend.Popular, lists(recommend.Request{Recent: []string{"tomorrow"}}).Stage)
	})
	t.Run("it excludes items in every stage", func(t *testing.T) {
		for _, req := range []recommend.Request{{UserID: b.data.Users[3].ID}, {Recent: []string{recent}}, {UserID: "unknown-user"}, {UserID: b.data.Users[3].ID, ExcludeSeen: recommend.SeenNone}} {
			all := lists(req)
			req.Exclude = []string{all.Items[0].ItemID, all.Items[7].ItemID}
			list := lists(req)
			assert.Len(t, list.Items, 20)
			assert.NotEqual(t, all.RecommendationID, list.RecommendationID)
			assert.Equal(t, all.Items[1].ItemID, list.Items[0].ItemID)
			assert.NotContains(t, ids(list), req.Exclude[1])
		}
	})
	t.Run("it rejects too many items", func(t *testing.T) {
		assert.Error(t, recommend.Request{K: 1, Recent: make([]string, recommend.MaxRecent+1)}.Check())
		assert.Error(t, recommend.Request{K: 1, Exclude: make([]string, recommend.MaxExclude+1)}.Check())
	})
}

func (b *bundle) sessionVector(t *testing.T, fold func(recsys.History) []float32, in recsys.Interest, item string) []float32 {
	t.Helper()
	return fold(in.Extend(recsys.History{}, []recsys.Event{{EventID: "e", ItemID: item, EventType: recsys.Click, OccurredAt: b.version.Coverage.To}}))
}

// TestRecommend_excludes_unavailable_items reuses a Reader across changes of an
// override, as the stream and the API do.
func TestRecommend_excludes_unavailable_items(t *testing.T) {
	b := setup(t, postgrestest.Fixture{})
	b.Readers = recommend.NewReaderPool(0)
	live, err := b.store.Live(t.Context())
	require.NoError(t, err)
	reader := recommend.NewReader(b.store, live.Version, live.Manifest)
	requests := map[string]recommend.Request{
		"popular": {UserID: "unknown-user", K: 10}, "session": {K: 10, Recent: []string{"i000010"}}, "personalized": {UserID: b.data.Users[2].ID, K: 10},
	}
	for stage, req := range requests {
		ask := func() [][]string {
			t.Helper()
			lists, err := reader.Lists(t.Context(), req, []string{req.UserID})
			require.NoError(t, err)
			list, err := b.Recommend(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, stage, list.Stage)
			return [][]string{ids(lists[0]), ids(list)}
		}
		no, gone := false, ask()[0][0]
		_, err := b.store.ChangeItem(t.Context(), gone, embeddings.ItemChange{Available: &no})
		require.NoError(t, err)
		for _, list := range ask() {
			assert.Len(t, list, 10, stage)
			assert.NotContains(t, list, gone, stage)
		}
		_, err = b.store.ChangeItem(t.Context(), gone, embeddings.ItemChange{Reset: []string{"available"}})
		require.NoError(t, err)
		for _, list := range ask() {
			assert.Equal(t, gone, list[0], stage)
		}
	}
}
