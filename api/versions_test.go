package main

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// build makes n ready versions.
func (h *harness) build(n int) {
	for i := range n {
		postgrestest.Build(h.T, h.Store, postgrestest.Fixture{RunID: fmt.Sprintf("run-%d", i), Seed: uint64(i), Items: 100, Users: 60, Dimension: 8})
	}
}

func (h *harness) etag(path string) string {
	h.T.Helper()
	a := h.Do("GET", path, nil)
	require.Equal(h.T, http.StatusOK, a.Status, string(a.Body))
	require.NotEmpty(h.T, a.Header.Get("ETag"))
	return a.Header.Get("ETag")
}

func TestVersions(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	require.Equal(t, "no_live_version", h.Do("GET", "/live", nil).Problem(t).Code)
	h.build(3)

	promote := func(id int, headers ...string) apitest.Answer {
		return h.Do("POST", fmt.Sprintf("/versions/%d/promote", id), `{"reason":"because"}`, headers...)
	}
	refused := promote(1)
	require.Equal(t, []any{http.StatusPreconditionRequired, "if_match_required"}, []any{refused.Status, refused.Problem(t).Code})
	seen := h.etag("/versions/1")
	other := h.etag("/versions/2")
	a := promote(1, "If-Match: "+seen)
	require.Equal(t, http.StatusOK, a.Status, string(a.Body))
	require.Equal(t, h.etag("/live"), a.Header.Get("ETag"))
	var live apiclient.Live
	a.Into(t, &live)
	require.Equal(t, []any{int64(1), int64(1), "token:test", "because"}, []any{live.Version.ID, live.Revision, live.Changes[0].Actor, live.Changes[0].Reason})
	stale := promote(2, "If-Match: "+other)
	require.Equal(t, []any{http.StatusPreconditionFailed, "stale"}, []any{stale.Status, stale.Problem(t).Code}, "another version went live since")
	require.Equal(t, http.StatusOK, promote(2, "If-Match: "+h.etag("/versions/2")).Status)

	var report apiclient.VersionReport
	h.Do("GET", "/versions/1", nil).Into(t, &report)
	require.Equal(t, int64(100), report.Items)
	require.NotNil(t, report.LiveMetrics)
	require.NotNil(t, report.Gates)
	require.Len(t, report.Changes, 1, "of this version alone")
	require.Equal(t, live.Changes[0], report.Changes[0])
	require.Equal(t, "not_found", h.Do("GET", "/versions/9", nil).Problem(t).Code)

	rolled := h.Do("POST", "/live/rollback", `{}`, "If-Match: "+h.etag("/live"))
	rolled.Into(t, &live)
	require.Equal(t, int64(1), live.Version.ID)
	require.Equal(t, "not_found", h.Do("POST", "/live/rollback", `{}`, "If-Match: "+h.etag("/live")).Problem(t).Code, "there is none before")

	pinned := h.Do("PUT", "/versions/3/pin", `{"pinned":true}`, "If-Match: "+h.etag("/versions/3"))
	require.Equal(t, h.etag("/versions/3"), pinned.Header.Get("ETag"))
	remove := func(id int) apitest.Answer {
		path := fmt.Sprintf("/versions/%d", id)
		return h.Do("DELETE", path, nil, "If-Match: "+h.etag(path))
	}
	require.Equal(t, "delete version 3: it is pinned; unpin it first", remove(3).Problem(t).Detail)
	require.Equal(t, "delete version 1: it is live; promote another version first", remove(1).Problem(t).Detail)
	require.Equal(t, http.StatusOK, h.Do("PUT", "/versions/3/pin", `{"pinned":false}`, "If-Match: "+h.etag("/versions/3")).Status)
	var gone recsys.Version
	remove(3).Into(t, &gone)
	require.Equal(t, recsys.Dropped, gone.State)
	require.Equal(t, "not_found", h.Do("GET", "/versions/1/diff/3", nil).Problem(t).Code)

	var page, last apiclient.Versions
	h.Do("GET", "/versions?limit=2", nil).Into(t, &page)
	require.Len(t, page.Items, 2)
	h.Do("GET", "/versions?limit=2&cursor="+page.Next, nil).Into(t, &last)
	require.Equal(t, int64(1), last.Items[0].ID)
	require.Empty(t, last.Next)
}

// TestPromoteAndRollbackRace sends concurrent changes with the same ETag: one
// succeeds, the others get 412, and the audit contains all of them.
func TestPromoteAndRollbackRace(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.build(3)
	for id := 1; id <= 2; id++ {
		path := fmt.Sprintf("/versions/%d", id)
		require.Equal(t, http.StatusOK, h.Do("POST", path+"/promote", `{}`, "If-Match: "+h.etag(path)).Status)
	}
	before := len(h.Audited())
	type try struct{ path, etag string }
	var tries []try
	for range 4 {
		tries = append(tries, try{"/versions/1/promote", h.etag("/versions/1")}, try{"/versions/3/promote", h.etag("/versions/3")}, try{"/live/rollback", h.etag("/live")})
	}
	answers := make([]apitest.Answer, len(tries))
	var group sync.WaitGroup
	for i, try := range tries {
		group.Go(func() { answers[i] = h.Do("POST", try.path, `{}`, "If-Match: "+try.etag) })
	}
	group.Wait()
	won := 0
	for _, a := range answers {
		if a.Status == http.StatusOK {
			won++
			continue
		}
		require.Contains(t, []int{http.StatusPreconditionFailed, http.StatusConflict}, a.Status, string(a.Body))
	}
	require.Equal(t, 1, won)
	done := 0
	lines := h.Audited()
	for _, l := range lines[:len(lines)-before] {
		if l[:4] == "done" {
			done++
		}
	}
	require.Equal(t, 1, done)
	require.Len(t, lines, before+len(tries), "refused attempts are in it")
}

func TestSampleUsers(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.build(1)
	api := h.Client(h.Token)
	sample, err := api.SampleUsers(t.Context(), 1, 3)
	require.NoError(t, err)
	require.Len(t, sample.Items, 3)
	again, err := api.SampleUsers(t.Context(), 1, 3)
	require.NoError(t, err)
	require.Equal(t, sample, again, "the same users every time")
	v, err := h.Store.Version(t.Context(), 1)
	require.NoError(t, err)
	for _, u := range sample.Items {
		known, err := h.Store.User(t.Context(), v, u.UserID)
		require.NoError(t, err)
		require.NotNil(t, known.Vector)
		require.Equal(t, len(known.History.Items), u.Items)
		require.True(t, known.History.Reference.Equal(u.LastEventAt))
	}
	require.Equal(t, "not_found", h.Do("GET", "/versions/9/users", nil).Problem(t).Code)
	require.Equal(t, "invalid_request", h.Do("GET", "/versions/1/users?limit=101", nil).Problem(t).Code)
	loading := postgrestest.Build(t, h.Store, postgrestest.Fixture{RunID: "loading", Items: 20, Users: 20, Loading: true})
	require.Equal(t, "not_found", h.Do("GET", fmt.Sprintf("/versions/%d/users", loading.ID), nil).Problem(t).Code)
}

func TestDiff(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.build(2)
	diff := func(path string) (d recommend.Diff) {
		a := h.Do("GET", path, nil)
		require.Equal(t, http.StatusOK, a.Status, string(a.Body))
		a.Into(t, &d)
		return d
	}
	same := diff("/versions/1/diff/1")
	require.Equal(t, []float64{1, 1}, []float64{same.Overlap, same.Same})
	require.InDelta(t, 1, same.RBO, 1e-9)
	require.Positive(t, same.Users)
	require.Equal(t, []int64{0, 0}, []int64{same.Items.New, same.Items.Lost})
	require.True(t, same.SameHoldout)
	for _, m := range same.Metrics {
		require.Zero(t, m.Delta)
	}
	d := diff("/versions/1/diff/2?k=10&users=30")
	require.Less(t, d.Overlap, 0.9)
	require.Less(t, d.RBO, 0.9)
	require.Greater(t, d.Items.CoverageA, 0.1)
	want, err := (&recommend.Recommender{Versions: h.Store.VersionStore, Embeddings: h.Store.EmbeddingStore}).Diff(t.Context(), 1, 2, 10, 30)
	require.NoError(t, err)
	require.Equal(t, want, d, "the answer has every field")
	postgrestest.Build(t, h.Store, postgrestest.Fixture{RunID: "smaller", Items: 70, Users: 60, Dimension: 8})
	smaller := diff("/versions/1/diff/3")
	require.Equal(t, []int64{0, 30}, []int64{smaller.Items.New, smaller.Items.Lost})
	require.Equal(t, []int64{30, 0}, []int64{diff("/versions/3/diff/1").Items.New, diff("/versions/3/diff/1").Items.Lost})
	require.Equal(t, d, diff("/versions/1/diff/2?k=10&users=30"), "the sample is the same")
}

// TestRollback_cancelled_by_the_database makes the rollback wait for a lock on the
// history of promotions until the database cancels it.
func TestRollback_cancelled_by_the_database(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.build(2)
	for _, v := range []string{"1", "2"} {
		require.Equal(t, http.StatusOK, h.Do("POST", "/versions/"+v+"/promote", `{"reason":"because"}`, "If-Match: "+h.etag("/versions/"+v)).Status)
	}
	match := "If-Match: " + h.etag("/live")
	holder, watch := postgrestest.Conn(t, h.Store), postgrestest.Conn(t, h.Store)
	tx, err := holder.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE recflow.live_changes IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)

	busy := h.Do("POST", "/live/rollback", `{}`, match).Problem(t)
	require.Equal(t, []any{http.StatusConflict, "conflict"}, []any{busy.Status, busy.Code}, "another change takes long")

	answered := make(chan apitest.Answer, 1)
	go func() { answered <- h.Do("POST", "/live/rollback", `{}`, match) }()
	require.Eventually(t, func() bool {
		tag, err := watch.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%previous_live%'")
		return err == nil && tag.RowsAffected() > 0
	}, 10*time.Second, 2*time.Millisecond, "it waits")
	away := (<-answered).Problem(t)
	require.Equal(t, []any{http.StatusServiceUnavailable, "database_unavailable"}, []any{away.Status, away.Code})
	require.NoError(t, tx.Rollback(t.Context()))
	require.Equal(t, http.StatusOK, h.Do("POST", "/live/rollback", `{}`, match).Status, "nothing had changed")
}

// TestLists_follow_a_promotion requests a list immediately before and after each
// change of the live version.
func TestLists_follow_a_promotion(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.build(2)
	api := h.Client(h.Token)
	listed := func() int64 {
		list, err := api.Recommend(t.Context(), apiclient.ListRequest{UserID: "unknown-user"})
		require.NoError(t, err)
		return list.Version
	}
	for id := range int64(2) {
		require.Equal(t, http.StatusOK, h.Do("POST", fmt.Sprintf("/versions/%d/promote", id+1), `{}`, "If-Match: "+h.etag(fmt.Sprintf("/versions/%d", id+1))).Status)
		require.Equal(t, id+1, listed())
	}
	require.Equal(t, http.StatusOK, h.Do("POST", "/live/rollback", `{}`, "If-Match: "+h.etag("/live")).Status)
	require.Equal(t, int64(1), listed())
}
