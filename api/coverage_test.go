package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

func TestCoverage_is_accepted_with_a_reason(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var before, after apiclient.CoverageReport
	h.Do("GET", "/coverage", nil).Into(t, &before)
	require.Equal(t, apiclient.CoverageReport{}, before)

	stored := postgrestest.Stream(t, h.Store, recsys.Event{EventID: "e", UserID: "u", ItemID: "i", EventType: recsys.Click, OccurredAt: time.Now().Add(-time.Minute)})
	h.Do("GET", "/coverage", nil).Into(t, &before)
	require.EqualValues(t, 1, before.Events)

	accept := func(body string) (int, string) {
		a := h.Do("POST", "/coverage/accept", body)
		if a.Status == http.StatusOK {
			a.Into(t, &after)
			return a.Status, ""
		}
		return a.Status, a.Problem(t).Code
	}
	status, code := accept(`{}`)
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Equal(t, "invalid_request", code, "a reason is required")
	status, _ = accept(`{"reason":"x","stored_before":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`)
	require.Equal(t, http.StatusUnprocessableEntity, status, "what is stored later is not known yet")
	status, _ = accept(`{"reason":"the snapshot of Monday"}`)
	require.Equal(t, http.StatusOK, status)
	require.Zero(t, after.Events)
	require.True(t, after.AcceptedBefore.After(stored.Events[0].At))
	require.Zero(t, after.Baseline.Version)
	require.Equal(t, after.AcceptedBefore, after.Baseline.StoredTo)
	require.Contains(t, strings.Join(h.Audited(), "\n"), "coverage.accept")

	var entries apiclient.AuditLog
	h.Do("GET", "/audit?action=coverage.accept", nil).Into(t, &entries)
	require.Equal(t, "the snapshot of Monday", entries.Items[0].Detail)
	reader := h.TokenWith("reader", apiclient.ScopeRead)
	require.Equal(t, http.StatusForbidden, h.DoAs(reader, "POST", "/coverage/accept", `{"reason":"x"}`).Status)
	require.Equal(t, http.StatusForbidden, h.DoAs(reader, "POST", "/coverage/redeliver", `{"reason":"x"}`).Status)
}

func TestCoverage_redelivers(t *testing.T) {
	t.Parallel()
	h := newHarness(t, apitest.WithTemporal)
	s3 := awstest.S3(t)
	h.WithWorkerOn(t, s3)
	postgrestest.Stream(t, h.Store, recsys.Event{EventID: "e", UserID: "u", ItemID: "i", EventType: recsys.Click, OccurredAt: time.Now().Add(-time.Minute)})
	_, err := postgrestest.Conn(t, h.Store).Exec(t.Context(), "UPDATE recflow.live_events SET stored_at = stored_at - interval '1 hour'")
	require.NoError(t, err)

	a := h.Do("POST", "/coverage/redeliver", `{"reason":"gate coverage refused"}`)
	require.Equal(t, http.StatusAccepted, a.Status, a.Body)
	var started apiclient.Redelivery
	a.Into(t, &started)
	require.NotEmpty(t, started.WorkflowRunID)
	var now apiclient.CoverageReport
	harnesstest.Eventually(t, "the end of the redelivery", func() bool {
		h.Do("GET", "/coverage", nil).Into(t, &now)
		return now.Redelivery != nil && now.Redelivery.State != "running"
	})
	r := now.Redelivery
	require.Equal(t, "succeeded", r.State)
	require.Equal(t, started.WorkflowRunID, r.WorkflowRunID)
	require.EqualValues(t, 1, r.Stored)
	require.EqualValues(t, 1, r.Redelivered)
	n := 0
	for o, err := range s3.List(t.Context(), "raw/events/") {
		require.NoError(t, err)
		require.Contains(t, o.Key, "/redelivered-")
		n++
	}
	require.Equal(t, 1, n)
}

func TestCoverage_redelivery_without_Temporal(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	a := h.Do("POST", "/coverage/redeliver", `{"reason":"x"}`)
	require.Equal(t, http.StatusServiceUnavailable, a.Status)
	require.Equal(t, "temporal_unavailable", a.Problem(t).Code)
	require.Equal(t, http.StatusOK, h.Do("GET", "/coverage", nil).Status)
}
