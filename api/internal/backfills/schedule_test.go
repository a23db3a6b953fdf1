package backfills

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

const nightly = `{"cron": "0 3 * * *", "jitter": "10m", "training": {"rank": 32, "half_life": "30d"}}`

func TestSchedule_lifecycle(t *testing.T) {
	t.Parallel()
	h := newHarness(t, apitest.WithTemporal)
	require.Equal(t, http.StatusNotFound, h.Do("GET", "/schedule", nil).Status)
	require.Equal(t, "if_match_required", h.Do("PUT", "/schedule", nightly).Problem(t).Code)
	require.Equal(t, http.StatusPreconditionFailed, h.Do("PUT", "/schedule", nightly, `If-Match: "x"`).Status)
	require.Equal(t, http.StatusNotFound, h.Do("DELETE", "/schedule", nil, "If-Match: *").Status)

	a := h.Do("PUT", "/schedule", nightly, "If-None-Match: *")
	require.Equal(t, http.StatusOK, a.Status, string(a.Body))
	require.Equal(t, a.Header.Get("ETag"), h.Do("GET", "/schedule", nil).Header.Get("ETag"))
	var s apiclient.Schedule
	a.Into(t, &s)
	require.Equal(t, "0 3 * * *", s.Cron)
	require.Equal(t, "10m", s.Jitter)
	require.Equal(t, "12h", s.CatchUp)
	require.True(t, *s.Promote)
	require.Equal(t, 32, s.Training.Rank)
	require.Equal(t, "auto", s.Training.Trainer)
	require.Zero(t, s.Training.Iterations)
	require.Equal(t, "30d", s.Training.HalfLife)
	require.NotEmpty(t, s.Next)
	require.False(t, s.Overdue)
	require.WithinDuration(t, time.Now(), s.ChangedAt, time.Minute)

	// The response of GET is a valid request of PUT.
	a = h.Do("PUT", "/schedule", s.NewSchedule, "If-Match: "+a.Header.Get("ETag"))
	require.Equal(t, http.StatusOK, a.Status, string(a.Body))
	first := a.Header.Get("ETag")

	a = h.Do("PUT", "/schedule", `{"every": "6h", "promote": false, "paused": true, "note": "the shop moves"}`, "If-Match: "+first)
	require.Equal(t, http.StatusOK, a.Status, string(a.Body))
	s = apiclient.Schedule{}
	a.Into(t, &s)
	require.Empty(t, s.Cron)
	require.Equal(t, "6h", s.Every)
	require.False(t, *s.Promote)
	require.Equal(t, 32, s.Training.Rank, "a missing field keeps its value")
	require.Empty(t, s.Next, "it is paused")

	require.Equal(t, "stale", h.Do("PUT", "/schedule", nightly, "If-Match: "+first).Problem(t).Code)
	require.Equal(t, "stale", h.Do("PUT", "/schedule", nightly, "If-None-Match: *").Problem(t).Code)
	require.Equal(t, "if_match_required", h.Do("DELETE", "/schedule", nil).Problem(t).Code)
	require.Equal(t, "stale", h.Do("DELETE", "/schedule", nil, "If-Match: "+first).Problem(t).Code)
	require.Equal(t, http.StatusNoContent, h.Do("DELETE", "/schedule", nil, "If-Match: "+a.Header.Get("ETag")).Status)
	require.Equal(t, http.StatusNotFound, h.Do("GET", "/schedule", nil).Status)

	log := h.Audited()
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

func TestSchedulePut_keeps_missing_fields(t *testing.T) {
	t.Parallel()
	h := newHarness(t, apitest.WithTemporal)
	put := func(body string) (s apiclient.NewSchedule) {
		t.Helper()
		present := h.Do("GET", "/schedule", nil)
		precondition := "If-None-Match: *"
		if present.Status == http.StatusOK {
			precondition = "If-Match: " + present.Header.Get("ETag")
		}
		a := h.Do("PUT", "/schedule", body, precondition)
		require.Equal(t, http.StatusOK, a.Status, string(a.Body))
		a.Into(t, &s)
		return s
	}
	want := put(`{"cron": "0 3 * * *", "jitter": "10m", "catch_up": "6h", "from": "2026-01-01T00:00:00Z", "promote": false,
		"training": {"rank": 128, "seed": 7, "half_life": "never", "index": "none", "accept_gates": {"quality": "a new shop"}}}`)
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
	require.Equal(t, []any{0, 0, 3.0, "90d", "auto", ""}, []any{got.Training.Rank, got.Training.Iterations, got.Training.Alpha, got.Training.HalfLife, got.Training.Index, got.Note})
	require.Empty(t, got.Training.AcceptGates)
	require.True(t, *got.Paused)

	got = put(`{"training": {"half_life": "30d", "interest": {"weights": {"transaction": 5}, "value_use": {"transaction": "value"}, "rating_threshold": 8}}}`)
	require.Equal(t, "30d", got.Training.HalfLife)
	require.Equal(t, &recsys.InterestSettings{Weights: map[string]float64{"transaction": 5}, ValueUse: map[string]string{"transaction": "value"}, RatingThreshold: new(8.0), Floor: new(0.01)}, got.Training.Interest)
	require.Equal(t, got, put(`{}`))
	got = put(`{"training": {"half_life": "7d"}}`)
	require.Equal(t, map[string]float64{"transaction": 5}, got.Training.Interest.Weights, "a half-life alone keeps the weights")
	require.Equal(t, "7d", got.Training.HalfLife)
	got = put(`{"training": {"interest": {"weights": {"order": 2}, "half_life": "36h"}}}`)
	require.Equal(t, []any{"36h", 4.0, map[string]float64{"order": 2}}, []any{got.Training.HalfLife, *got.Training.Interest.RatingThreshold, got.Training.Interest.Weights}, "an interest replaces the previous one as a whole")
	require.Equal(t, 3.0, got.Training.Alpha)
	got = put(`{"reset": ["interest"]}`)
	require.Equal(t, []any{"90d", 3.0, 5.0}, []any{got.Training.HalfLife, got.Training.Alpha, got.Training.Interest.Weights["purchase"]})

	etag := h.Do("GET", "/schedule", nil).Header.Get("ETag")
	wrong := h.Do("PUT", "/schedule", `{"training": {"interest": {"weights": {"Click": 1, "click": 2}}}}`, "If-Match: "+etag)
	require.Equal(t, http.StatusUnprocessableEntity, wrong.Status)
	require.Contains(t, string(wrong.Body), "are the same event type")

	require.Equal(t, "why", put(`{"note": "why"}`).Note)
	got = put(`{"paused": false}`)
	require.False(t, *got.Paused)
	require.Empty(t, got.Note, "it gave the reason of the pause")
}

func TestSchedule_concurrent_puts_have_one_winner(t *testing.T) {
	t.Parallel()
	h := newHarness(t, apitest.WithTemporal)
	etag := h.Do("PUT", "/schedule", nightly, "If-None-Match: *").Header.Get("ETag")
	require.NotEmpty(t, etag)
	var group sync.WaitGroup
	answers := make([]apitest.Answer, 4)
	for i, every := range []string{"1h", "2h", "3h", "4h"} {
		group.Go(func() {
			answers[i] = h.Do("PUT", "/schedule", apiclient.ScheduleChange{NewSchedule: apiclient.NewSchedule{Every: every}}, "If-Match: "+etag)
		})
	}
	group.Wait()
	var won []string
	for _, a := range answers {
		if a.Status == http.StatusOK {
			won = append(won, a.Header.Get("ETag"))
			continue
		}
		// 409 if the lock is not acquired within two seconds.
		require.Contains(t, []int{http.StatusPreconditionFailed, http.StatusConflict}, a.Status, string(a.Body))
	}
	require.Len(t, won, 1)
	require.Equal(t, won[0], h.Do("GET", "/schedule", nil).Header.Get("ETag"))
	refused := slices.DeleteFunc(h.Audited(), func(line string) bool { return !strings.HasPrefix(line, "refused ") })
	require.Len(t, refused, 3)
}

func TestSchedule_paused_by_a_failure_shows_the_reason(t *testing.T) {
	t.Parallel()
	h := newHarness(t, apitest.WithTemporal)
	h.WithWorker(t) // whose trainings fail
	before := h.Do("PUT", "/schedule", nightly, "If-None-Match: *").Header.Get("ETag")
	c, err := client.Dial(client.Options{HostPort: h.Settings.Temporal.Address, Namespace: h.Settings.Temporal.Namespace})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	require.NoError(t, c.ScheduleClient().GetHandle(t.Context(), workflows.RefreshSchedule).Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	var s apiclient.Schedule
	require.Eventually(t, func() bool {
		h.Do("GET", "/schedule", nil).Into(t, &s)
		return *s.Paused
	}, time.Minute, 100*time.Millisecond)
	require.Contains(t, s.Note, "nothing to train on")
	require.Equal(t, workflows.OutcomeFailed, s.Runs[0].Outcome)
	require.Contains(t, s.Runs[0].Detail, "nothing to train on")
	require.Contains(t, s.Runs[0].TemporalUI, "http://temporal.test/")
	require.Equal(t, http.StatusPreconditionFailed, h.Do("PUT", "/schedule", nightly, "If-Match: "+before).Status,
		"who has not seen the failure does not resume")
}

func TestScheduleRefusals(t *testing.T) {
	t.Parallel()
	h := newHarness(t, apitest.WithTemporal)
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
		a := h.Do("PUT", "/schedule", body, "If-None-Match: *")
		require.Equal(t, http.StatusUnprocessableEntity, a.Status, name+string(a.Body))
		a.Problem(t)
	}
	require.Equal(t, http.StatusNotFound, h.Do("GET", "/schedule", nil).Status)

	reader := h.TokenWith("reader", apiclient.ScopeRead)
	require.Equal(t, http.StatusForbidden, h.DoAs(reader, "PUT", "/schedule", nightly, "If-None-Match: *").Status)
	require.Equal(t, http.StatusNotFound, h.DoAs(reader, "GET", "/schedule", nil).Status)
}

func TestSchedule_without_Temporal(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, a := range []apitest.Answer{
		h.Do("PUT", "/schedule", nightly, "If-None-Match: *"),
		h.Do("GET", "/schedule", nil),
		h.Do("DELETE", "/schedule", nil, "If-Match: *"),
	} {
		require.Equal(t, http.StatusServiceUnavailable, a.Status, string(a.Body))
		require.NotEmpty(t, a.Header.Get("Retry-After"))
	}
}
