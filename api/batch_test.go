package main

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

func TestRecommendBatch(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	api := h.Client(h.Token)
	_, err := api.RecommendBatch(t.Context(), apiclient.BatchRequest{Users: []string{"u"}})
	var p *apiclient.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, "no_live_version", p.Code)
	data := h.withLive(t)

	known := data.Users[5].ID
	req := apiclient.BatchRequest{
		Users: []string{"stranger", known, "a\x01", data.Users[7].ID, "", known}, K: 7, Category: "c0", Tags: []string{"even"},
		Exclude: []string{"i000002", "i000004"}, Recent: []string{"i000010", "tomorrow"}, ExcludeSeen: recommend.SeenNone, Version: 1,
	}
	got, err := api.RecommendBatch(t.Context(), req)
	require.NoError(t, err)
	require.Len(t, got.Items, len(req.Users))
	for i, l := range got.Items {
		require.Equal(t, req.Users[i], l.UserID, "in their order")
		if slices.Contains([]string{"a\x01", ""}, l.UserID) {
			require.Nil(t, l.List)
			require.Equal(t, []any{"invalid_id", http.StatusUnprocessableEntity}, []any{l.Problem.Code, l.Problem.Status})
			require.Len(t, l.Problem.TraceID, 32)
			continue
		}
		require.Nil(t, l.Problem)
		alone, err := api.Recommend(t.Context(), apiclient.ListRequest{UserID: l.UserID, K: 7, Category: "c0", Tags: []string{"even"},
			Exclude: req.Exclude, Recent: req.Recent, ExcludeSeen: recommend.SeenNone, Version: 1})
		require.NoError(t, err)
		require.Equal(t, &alone, l.List, "as GET /recommendations/{user}")
	}

	plain, err := api.RecommendBatch(t.Context(), apiclient.BatchRequest{Users: []string{known}})
	require.NoError(t, err)
	require.Len(t, plain.Items[0].List.Items, 10, "the default length")

	for body, code := range map[string]string{
		`{"users":[]}`:                                                      "invalid_request",
		`{"users":["u"],"k":0}`:                                             "invalid_request",
		`{"users":["u"],"k":1001}`:                                          "invalid_request",
		`{"users":["u"],"limit":5}`:                                         "invalid_request",
		`{"users":["u"],"version":99}`:                                      "not_found",
		`{"users":["u"],"exclude":["\u0001"]}`:                              "invalid_id",
		`{"users":["u"],"recent":[""]}`:                                     "invalid_id",
		`{"users":["u"],"category":"\u0000"}`:                               "invalid_text",
		`{"users":[` + strings.Repeat(`"u",`, apiclient.MaxBatch) + `"u"]}`: "invalid_request",
	} {
		require.Equal(t, code, h.Do("POST", "/recommendations/batch", body).Problem(t).Code, body)
	}

	long := strings.Repeat("\u2028", 84)
	full := apiclient.BatchRequest{K: 1}
	for i := range apiclient.MaxBatch {
		full.Users = append(full.Users, long+strconv.Itoa(i))
	}
	for i := range recommend.MaxExclude {
		full.Exclude = append(full.Exclude, long+strconv.Itoa(i))
	}
	got, err = api.RecommendBatch(t.Context(), full)
	require.NoError(t, err, "the longest request fits")
	require.Len(t, got.Items, apiclient.MaxBatch)
	require.Empty(t, h.Audited(), "it changes nothing")
}

// TestRecommendBatchWithoutASolution gives the live version a Gram matrix that no
// vector can be solved with: only a user with new events needs to be solved for.
func TestRecommendBatchWithoutASolution(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	v := postgrestest.Build(t, h.Store, postgrestest.Fixture{ChangeManifest: func(m *recsys.Manifest) { m.Gram[0] = -1e6 }})
	_, err := h.Store.Promote(t.Context(), versions.Promotion{Version: v.ID, Actor: "test"})
	require.NoError(t, err)
	postgrestest.Stream(t, h.Store, recsys.Event{EventID: "e", UserID: "u00003", ItemID: "i000010", EventType: recsys.Click, OccurredAt: time.Now()})
	got, err := h.Client(h.Token).RecommendBatch(t.Context(), apiclient.BatchRequest{Users: []string{"u00002", "u00003", "unknown-user"}, K: 3})
	require.NoError(t, err)
	require.Equal(t, recommend.Personalized, got.Items[0].List.Stage)
	require.Nil(t, got.Items[1].List)
	require.Equal(t, "internal", got.Items[1].Problem.Code)
	require.Equal(t, recommend.Popular, got.Items[2].List.Stage, "the others have their lists")
}

// A panic while the list of one user is computed must not end the process: the work
// is done in goroutines.
func TestRecommendBatch_survives_a_user_whose_list_panics(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	data := h.withLive(t)
	broken, other := data.Users[5].ID, data.Users[7].ID
	tag, err := postgrestest.Conn(t, h.Store).Exec(t.Context(), "UPDATE v1.users SET history_weights = '{}' WHERE user_id = $1", broken)
	require.NoError(t, err)
	require.EqualValues(t, 1, tag.RowsAffected())
	postgrestest.Stream(t, h.Store, recsys.Event{EventID: "e", UserID: broken, ItemID: "i000010", EventType: recsys.Click, OccurredAt: time.Now()})
	api := h.Client(h.Token)
	got, err := api.RecommendBatch(t.Context(), apiclient.BatchRequest{Users: []string{other, broken, "unknown-user"}, K: 3})
	require.NoError(t, err)
	require.Len(t, got.Items[0].List.Items, 3)
	require.Nil(t, got.Items[1].List)
	require.Equal(t, "internal", got.Items[1].Problem.Code)
	require.Len(t, got.Items[2].List.Items, 3)

	_, err = api.Recommend(t.Context(), apiclient.ListRequest{UserID: broken, K: 3})
	var p *apiclient.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, []any{http.StatusInternalServerError, "internal"}, []any{p.Status, p.Code})
}
