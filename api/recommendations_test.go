package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// withLive gives the API a live version.
func (h *harness) withLive(t *testing.T) (data postgrestest.Data) {
	t.Helper()
	v := postgrestest.Build(t, h.Store, postgrestest.Fixture{Change: func(d *postgrestest.Data) { data = *d }})
	_, err := h.Store.Promote(t.Context(), versions.Promotion{Version: v.ID, Actor: "test"})
	require.NoError(t, err)
	return data
}

func listed(l recommend.List) (ids []string) {
	for _, i := range l.Items {
		ids = append(ids, i.ItemID)
	}
	return ids
}

func TestRecommendations(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	require.Equal(t, "no_live_version", h.Do("GET", "/recommendations/u00001", nil).Problem(t).Code)
	data := h.withLive(t)
	user := data.Users[5]
	longest := strings.Repeat("c", recsys.MaxCategoryBytes)
	require.Equal(t, http.StatusOK, h.Do("GET", "/recommendations/u00001?category="+longest, nil).Status, "a filter has the limit of a category")
	require.Equal(t, http.StatusOK, h.Do("POST", "/recommendations/batch", map[string]any{"users": []string{"u00001"}, "k": 1, "category": longest}).Status)
	get := func(path string) (l recommend.List) {
		t.Helper()
		a := h.Do("GET", path, nil)
		require.Equal(t, http.StatusOK, a.Status, string(a.Body))
		require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
		a.Into(t, &l)
		require.NotEmpty(t, l.RecommendationID)
		require.NotEmpty(t, l.Stage)
		require.NotZero(t, l.Version)
		return l
	}
	plain := recommend.Recommender{Versions: h.Store.VersionStore, Embeddings: h.Store.EmbeddingStore}
	want, err := plain.Recommend(t.Context(), recommend.Request{UserID: user.ID, K: 10})
	require.NoError(t, err)
	require.Equal(t, want, get("/recommendations/"+user.ID))

	req := recommend.Request{
		UserID: user.ID, K: 7, Category: "c0", Tags: []string{"even"}, Exclude: []string{"i000002", "i000004"},
		Recent: []string{"i000010", "tomorrow"}, ExcludeSeen: recommend.SeenNone, Version: 1,
	}
	want, err = plain.Recommend(t.Context(), req)
	require.NoError(t, err)
	got, err := h.Client(h.Token).Recommend(t.Context(), apiclient.ListRequest{
		UserID: req.UserID, K: req.K, Category: req.Category, Tags: req.Tags, Exclude: req.Exclude, Recent: req.Recent, ExcludeSeen: recommend.SeenNone, Version: 1,
	})
	require.NoError(t, err)
	require.Equal(t, listOf(want), got, "the client asks for what it is asked for")
	require.NotEmpty(t, got.Items)
	require.Equal(t, []string{}, append([]string{}, listed(get("/recommendations/"+user.ID+"?tag=even&tag=none"))...), "an item has all of the tags")

	anonymous := get("/recommendations?recent=i000010&recent=i000020")
	require.Equal(t, recommend.Session, anonymous.Stage)
	require.NotContains(t, listed(anonymous), "i000010")
	require.Equal(t, recommend.Session, get("/recommendations/stranger?recent=i000010").Stage)
	require.Equal(t, recommend.Popular, get("/recommendations/stranger").Stage)
	require.Equal(t, recommend.Popular, get("/recommendations/"+url.PathEscape("a/b c")).Stage)
	popular := get("/recommendations?k=3")
	require.Equal(t, recommend.Popular, popular.Stage, "without recent items")
	require.Len(t, popular.Items, 3)
	similar := get("/items/i000010/similar?k=3&category=c1")
	require.Len(t, similar.Items, 3)
	require.Equal(t, recommend.Similar, similar.Stage)

	var e recommend.Explanation
	h.Do("GET", "/recommendations/"+user.ID+"/explain?item="+want.Items[0].ItemID, nil).Into(t, &e)
	var sum float64
	for _, term := range e.Terms {
		sum += term.Score
	}
	require.InDelta(t, e.Score, sum, 1e-5)
	require.NotEmpty(t, e.RecommendationID)

	for path, code := range map[string]string{
		"/recommendations/u?k=0":                     "invalid_request",
		"/recommendations/u?k=1001":                  "invalid_request",
		"/recommendations/u?kk=1":                    "invalid_request",
		"/recommendations/u?version=99":              "not_found",
		"/recommendations/u?exclude=%01":             "invalid_id",
		"/recommendations/%00":                       "invalid_text",
		"/recommendations/u/explain":                 "invalid_request",
		"/recommendations/u/explain?item=nothing":    "unknown_item",
		"/items/nothing/similar":                     "unknown_item",
		"/items/nothing":                             "unknown_item",
		"/recommendations/u?category=%00":            "invalid_text",
		"/recommendations/u?tag=%ff":                 "invalid_text",
		"/recommendations?" + manyRecent(51):         "invalid_request",
		"/recommendations/u/explain?item=i000010%01": "invalid_id",
	} {
		require.Equal(t, code, h.Do("GET", path, nil).Problem(t).Code, path)
	}
}

// TestListsFromMemory compares the lists of an API that searches in memory with
// those of one that searches in Postgres, while items and what is live change.
func TestListsFromMemory(t *testing.T) {
	t.Parallel()
	h := newHarness(t, apitest.WithSettings(func(c *config.API) { c.Search = config.Search{Mode: config.SearchAuto, Memory: 64} }))
	data := h.withLive(t)
	plain := recommend.Recommender{Versions: h.Store.VersionStore, Embeddings: h.Store.EmbeddingStore}
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	group.Go(func() { h.follower().Run(ctx, time.Millisecond) })
	r := rand.New(rand.NewPCG(1, 1))
	compare := func() {
		t.Helper()
		req := recommend.Request{UserID: data.Users[r.IntN(len(data.Users))].ID, K: 1 + r.IntN(40), ExcludeSeen: []string{"", recommend.SeenAll, recommend.SeenNone}[r.IntN(3)]}
		if r.IntN(2) == 0 {
			req.Category = fmt.Sprint("c", r.IntN(5))
		}
		if r.IntN(3) == 0 {
			req.Tags = []string{[]string{"even", "rare", "none"}[r.IntN(3)]}
		}
		for range r.IntN(5) {
			req.Exclude = append(req.Exclude, data.Items[r.IntN(len(data.Items))].ItemID)
		}
		if r.IntN(2) == 0 {
			req.Recent = []string{data.Items[r.IntN(len(data.Items))].ItemID}
		}
		want, err := plain.Recommend(t.Context(), req)
		require.NoError(t, err)
		got, err := h.Client(h.Token).Recommend(t.Context(), apiclient.ListRequest{
			UserID: req.UserID, K: req.K, Category: req.Category, Tags: req.Tags, Exclude: req.Exclude, Recent: req.Recent, ExcludeSeen: req.ExcludeSeen,
		})
		require.NoError(t, err)
		wanted, err := json.Marshal(listOf(want))
		require.NoError(t, err)
		received, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, string(wanted), string(received))
	}
	for round := range 3 {
		if round > 0 {
			next := postgrestest.Build(t, h.Store, postgrestest.Fixture{RunID: fmt.Sprint("next-", round), Seed: uint64(round), Dimension: 8 * round})
			_, err := h.Store.Promote(t.Context(), versions.Promotion{Version: next.ID, Actor: "test"})
			require.NoError(t, err)
			h.reader.Readers.Reset() // as if a second had passed
		}
		compare() // in Postgres while the index loads, or in memory
		live, err := h.Store.Live(t.Context())
		require.NoError(t, err)
		require.Eventually(t, func() bool { return h.reader.Memory.Items(live.Version) == len(data.Items) }, 10*time.Second, time.Millisecond)
		scrape := httptest.NewRecorder()
		h.api.Metrics().ServeHTTP(scrape, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		require.Contains(t, scrape.Body.String(), fmt.Sprintf("recflow_api_index_items %d\n", len(data.Items)))
		for range 30 {
			change := apiclient.ItemChange{Available: new(r.IntN(3) > 0)}
			if r.IntN(2) == 0 {
				change = apiclient.ItemChange{Title: new("Changed"), Category: new(fmt.Sprint("c", r.IntN(5))), Tags: []string{"rare"}}
			}
			_, err := h.Client(h.Token).SetItem(t.Context(), data.Items[r.IntN(len(data.Items))].ItemID, change)
			require.NoError(t, err)
			compare()
		}
	}
}

func manyRecent(n int) string {
	q := url.Values{}
	for i := range n {
		q.Add("recent", fmt.Sprintf("i%06d", i))
	}
	return q.Encode()
}

func TestItems(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.withLive(t)
	api := h.Client(h.Token)
	top := func(r apiclient.ListRequest) apiclient.Ranked {
		t.Helper()
		r.K = 5
		l, err := api.Recommend(t.Context(), r)
		require.NoError(t, err)
		require.Len(t, l.Items, 5)
		return l.Items[0]
	}
	no, title, category := false, "A lamp", "lamps"
	for _, r := range []apiclient.ListRequest{{UserID: "unknown-user"}, {Recent: []string{"i000010"}}, {UserID: "u00003"}} {
		first := top(r)
		item, err := api.SetItem(t.Context(), first.ItemID, apiclient.ItemChange{Title: &title, Category: &category, Tags: []string{"bright"}})
		require.NoError(t, err)
		require.Equal(t, []any{title, category, true, true}, []any{item.Title, item.Category, item.Known, item.Available})
		require.Equal(t, title, top(r).Title)
		r.Category = category
		l, err := api.Recommend(t.Context(), apiclient.ListRequest{UserID: r.UserID, Recent: r.Recent, K: 5, Category: category, Tags: []string{"bright"}})
		require.NoError(t, err)
		require.Len(t, l.Items, 1)
		require.Equal(t, first.ItemID, l.Items[0].ItemID, "filters use the overrides")
		r.Category = ""

		_, err = api.SetItem(t.Context(), first.ItemID, apiclient.ItemChange{Available: &no})
		require.NoError(t, err)
		require.NotEqual(t, first.ItemID, top(r).ItemID, "it is gone at once")
		item, err = api.SetItem(t.Context(), first.ItemID, apiclient.ItemChange{Reset: []string{"available", "title", "category", "tags"}})
		require.NoError(t, err)
		require.Equal(t, first.Item, item.Item)
		require.Equal(t, first, top(r), "and back")
	}
	item, err := api.SetItem(t.Context(), "tomorrow", apiclient.ItemChange{Title: &title})
	require.NoError(t, err)
	require.False(t, item.Known)
	again, err := api.Item(t.Context(), "tomorrow")
	require.NoError(t, err)
	require.Equal(t, item, again)

	require.Equal(t, "invalid_request", h.Do("PUT", "/items/i", map[string]any{}).Problem(t).Code)
	require.Equal(t, "invalid_request", h.Do("PUT", "/items/i", map[string]any{"reset": []string{"id"}}).Problem(t).Code)
	require.Equal(t, "invalid_text", h.Do("PUT", "/items/i", `{"title":"a\u0000"}`).Problem(t).Code)
	require.Equal(t, "invalid_id", h.Do("PUT", "/items/%07", map[string]any{"available": false}).Problem(t).Code)
	require.Equal(t, "missing_scope", h.DoAs(h.TokenWith("reader", apiclient.ScopeRecommend), "PUT", "/items/i", map[string]any{"available": false}).Problem(t).Code)
	lines := h.Audited()
	require.Equal(t, []string{"refused item.set missing_scope", "refused item.set invalid_id", "refused item.set i invalid_text",
		"refused item.set invalid_request", "refused item.set invalid_request", "done item.set tomorrow"}, lines[:6])
	mixed := h.Do("PUT", "/items", `{"items":[{"item_id":"i","title":"a\u0000"},{"item_id":"","available":true},{"item_id":"unknown","available":true}]}`)
	require.Equal(t, 200, mixed.Status)
	require.Contains(t, string(mixed.Body), `"detail":"title contains a NUL character"`)
	require.Contains(t, string(mixed.Body), `"detail":"item_id is empty"`)
	require.Contains(t, string(mixed.Body), `{"item_id":"unknown","changed":true,"known":false}`)
	require.Equal(t, "missing_scope", h.DoAs(h.TokenWith("bulk reader", apiclient.ScopeRecommend), "PUT", "/items", `{"items":[{"item_id":"i","available":true}]}`).Problem(t).Code)
}

func TestPromotion_takes_effect_within_a_second(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.withLive(t)
	version := func() int64 {
		l, err := h.Client(h.Token).Recommend(t.Context(), apiclient.ListRequest{UserID: "u", K: 1})
		require.NoError(t, err)
		return l.Version
	}
	require.EqualValues(t, 1, version())
	next := postgrestest.Build(t, h.Store, postgrestest.Fixture{RunID: "next"})
	_, err := h.Store.Promote(t.Context(), versions.Promotion{Version: next.ID, Actor: "test"})
	require.NoError(t, err)
	began := time.Now()
	require.Eventually(t, func() bool { return version() == next.ID }, 30*time.Second, 20*time.Millisecond)
	require.Less(t, time.Since(began), liveFor+10*time.Second)
}
