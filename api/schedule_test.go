package main

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/workflows"
)

const nightly = `{"cron": "0 3 * * *", "jitter": "10m", "training": {"rank": 32, "half_life": "30d"}}`

func TestScheduleIsMadeReadReplacedAndDeleted(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withTemporal)
	require.Equal(t, http.StatusNotFound, h.do("GET", "/schedule", nil).status)
	require.Equal(t, "if_match_required", h.do("PUT", "/schedule", nightly).problem(t).Code)
	require.Equal(t, http.StatusPreconditionFailed, h.do("PUT", "/schedule", nightly, `If-Match: "x"`).status)
	require.Equal(t, http.StatusNotFound, h.do("DELETE", "/schedule", nil, "If-Match: *").status)

	a := h.do("PUT", "/schedule", nightly, "If-None-Match: *")
	require.Equal(t, http.StatusOK, a.status, string(a.body))
	require.Equal(t, a.header.Get("ETag"), h.do("GET", "/schedule", nil).header.Get("ETag"))
	var s apiclient.Schedule
	a.into(t, &s)
	require.Equal(t, "0 3 * * *", s.Cron)
	require.Equal(t, "10m", s.Jitter)
	require.Equal(t, "12h", s.CatchUp)
	require.True(t, *s.Promote)
	require.Equal(t, 32, s.Training.Rank)
	require.Equal(t, 12, s.Training.Iterations)
	require.Equal(t, "30d", s.Training.HalfLife)
	require.NotEmpty(t, s.Next)
	require.False(t, s.Overdue)
	require.WithinDuration(t, time.Now(), s.ChangedAt, time.Minute)

	// What is read can be put as it is.
	a = h.do("PUT", "/schedule", s.NewSchedule, "If-Match: "+a.header.Get("ETag"))
	require.Equal(t, http.StatusOK, a.status, string(a.body))
	first := a.header.Get("ETag")

	a = h.do("PUT", "/schedule", `{"every": "6h", "promote": false, "paused": true, "note": "the shop moves"}`, "If-Match: "+first)
	require.Equal(t, http.StatusOK, a.status, string(a.body))
	s = apiclient.Schedule{}
	a.into(t, &s)
	require.Empty(t, s.Cron)
	require.Equal(t, "6h", s.Every)
	require.False(t, *s.Promote)
	require.Equal(t, 32, s.Training.Rank, "what is left out is kept")
	require.Empty(t, s.Next, "it is paused")

	require.Equal(t, "stale", h.do("PUT", "/schedule", nightly, "If-Match: "+first).problem(t).Code)
	require.Equal(t, "stale", h.do("PUT", "/schedule", nightly, "If-None-Match: *").problem(t).Code)
	require.Equal(t, "if_match_required", h.do("DELETE", "/schedule", nil).problem(t).Code)
	require.Equal(t, "stale", h.do("DELETE", "/schedule", nil, "If-Match: "+first).problem(t).Code)
	require.Equal(t, http.StatusNoContent, h.do("DELETE", "/schedule", nil, "If-Match: "+a.header.Get("ETag")).status)
	require.Equal(t, http.StatusNotFound, h.do("GET", "/schedule", nil).status)

	log := h.audited()
	slices.Reverse(log)
	require.Equal(t, []string{
		"refused schedule.put recflow-refresh if_match_required",
		"refused schedule.put recflow-refresh stale",
		"refused schedule.delete recflow-refresh not_found",
		"done schedule.put recflow-refresh",
		"done schedule.put recflow-refresh",
		"done schedule.put recflow-refresh",
		"refused schedule.put recflow-refresh stale",
		"refused schedule.put recflow-refresh stale",
		"refused schedule.delete recflow-refresh if_match_required",
		"refused schedule.delete recflow-refresh stale",
		"done schedule.delete recflow-refresh",
	}, log)
}

func TestSchedulePutKeepsWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withTemporal)
	put := func(body string) (s apiclient.NewSchedule) {
		t.Helper()
		present := h.do("GET", "/schedule", nil)
		precondition := "If-None-Match: *"
		if present.status == http.StatusOK {
			precondition = "If-Match: " + present.header.Get("ETag")
		}
		a := h.do("PUT", "/schedule", body, precondition)
		require.Equal(t, http.StatusOK, a.status, string(a.body))
		a.into(t, &s)
		return s
	}
	want := put(`{"cron": "0 3 * * *", "jitter": "10m", "catch_up": "6h", "from": "2026-01-01T00:00:00Z", "promote": false,
		"training": {"rank": 128, "seed": 7, "half_life": "never", "search": "exact", "accept_gates": {"quality": "a new shop"}}}`)
	want.Paused, want.Note = new(true), "the catalog moves"
	require.Equal(t, want, put(`{"paused": true, "note": "the catalog moves"}`))

	want.Cron = "0 4 * * *"
	require.Equal(t, want, put(`{"cron": "0 4 * * *"}`), "it stays paused, with its note and its settings")
	want.Training.Iterations = 20
	require.Equal(t, want, put(`{"training": {"iterations": 20}}`))
	want.Cron, want.Every, want.Jitter = "", "6h", ""
	require.Equal(t, want, put(`{"every": "6h", "jitter": "0s"}`), "an interval takes the place of the cron fields")
	require.Equal(t, want, put(`{}`))

	want.CatchUp, want.Promote, want.From = "12h", new(true), time.Time{}
	require.Equal(t, want, put(`{"reset": ["jitter", "catch_up", "from", "promote"]}`))
	got := put(`{"reset": ["training", "note"], "training": {"alpha": 3}}`)
	require.Equal(t, []any{64, 12, 3.0, "90d", "", ""}, []any{got.Training.Rank, got.Training.Iterations, got.Training.Alpha, got.Training.HalfLife, got.Training.Search, got.Note})
	require.Empty(t, got.Training.AcceptGates)
	require.True(t, *got.Paused)

	require.Equal(t, "why", put(`{"note": "why"}`).Note)
	got = put(`{"paused": false}`)
	require.False(t, *got.Paused)
	require.Empty(t, got.Note, "it said why the schedule was paused")
}

func TestOfSchedulesPutAtOnceOneWins(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withTemporal)
	etag := h.do("PUT", "/schedule", nightly, "If-None-Match: *").header.Get("ETag")
	require.NotEmpty(t, etag)
	var group sync.WaitGroup
	answers := make([]answer, 4)
	for i, every := range []string{"1h", "2h", "3h", "4h"} {
		group.Go(func() {
			answers[i] = h.do("PUT", "/schedule", apiclient.ScheduleChange{NewSchedule: apiclient.NewSchedule{Every: every}}, "If-Match: "+etag)
		})
	}
	group.Wait()
	var won []string
	for _, a := range answers {
		if a.status == http.StatusOK {
			won = append(won, a.header.Get("ETag"))
			continue
		}
		// 409 for those whose turn does not come within two seconds.
		require.Contains(t, []int{http.StatusPreconditionFailed, http.StatusConflict}, a.status, string(a.body))
	}
	require.Len(t, won, 1)
	require.Equal(t, won[0], h.do("GET", "/schedule", nil).header.Get("ETag"))
	refused := slices.DeleteFunc(h.audited(), func(line string) bool { return !strings.HasPrefix(line, "refused ") })
	require.Len(t, refused, 3)
}

func TestScheduleThatAFailurePausedSaysWhy(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withTemporal)
	h.withWorker(t) // whose trainings fail
	before := h.do("PUT", "/schedule", nightly, "If-None-Match: *").header.Get("ETag")
	c, err := client.Dial(client.Options{HostPort: h.address, Namespace: h.space})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	require.NoError(t, c.ScheduleClient().GetHandle(t.Context(), workflows.RefreshSchedule).Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	var s apiclient.Schedule
	require.Eventually(t, func() bool {
		h.do("GET", "/schedule", nil).into(t, &s)
		return *s.Paused
	}, time.Minute, 100*time.Millisecond)
	require.Contains(t, s.Note, "nothing to train on")
	require.Equal(t, workflows.OutcomeFailed, s.Runs[0].Outcome)
	require.Contains(t, s.Runs[0].Detail, "nothing to train on")
	require.Contains(t, s.Runs[0].TemporalUI, "http://temporal.test/")
	require.Equal(t, http.StatusPreconditionFailed, h.do("PUT", "/schedule", nightly, "If-Match: "+before).status,
		"who has not seen the failure does not resume")
}

func TestScheduleRefusals(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withTemporal)
	for name, body := range map[string]string{
		"both":        `{"cron": "0 3 * * *", "every": "24h"}`,
		"neither":     `{}`,
		"range":       `{"cron": "99 3 * * *"}`,
		"shorthand":   `{"cron": "@every 1s"}`,
		"time zone":   `{"cron": "CRON_TZ=UTC 0 3 * * *"}`,
		"often":       `{"every": "1s"}`,
		"jitter":      `{"every": "1h", "jitter": "2h"}`,
		"window":      `{"every": "1h", "catch_up": "1s"}`,
		"gate":        `{"every": "1h", "training": {"accept_gates": {"none": "why"}}}`,
		"future":      `{"every": "1h", "from": "2999-01-01T00:00:00Z"}`,
		"reset":       `{"every": "1h", "reset": ["cron"]}`,
		"not a field": `{"every": "1h", "overlap": "allow"}`,
	} {
		a := h.do("PUT", "/schedule", body, "If-None-Match: *")
		require.Equal(t, http.StatusUnprocessableEntity, a.status, name+string(a.body))
		a.problem(t)
	}
	require.Equal(t, http.StatusNotFound, h.do("GET", "/schedule", nil).status)

	reader := h.tokenWith("reader", apiclient.ScopeRead)
	require.Equal(t, http.StatusForbidden, h.doAs(reader, "PUT", "/schedule", nightly, "If-None-Match: *").status)
	require.Equal(t, http.StatusNotFound, h.doAs(reader, "GET", "/schedule", nil).status)
}

func TestScheduleWhileTemporalIsAway(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, a := range []answer{
		h.do("PUT", "/schedule", nightly, "If-None-Match: *"),
		h.do("GET", "/schedule", nil),
		h.do("DELETE", "/schedule", nil, "If-Match: *"),
	} {
		require.Equal(t, http.StatusServiceUnavailable, a.status, string(a.body))
		require.NotEmpty(t, a.header.Get("Retry-After"))
	}
}
