package backfills

import (
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/temporaltest"
	"github.com/recflow/recflow/workflows"
)

func (h *harness) backfill(id string) (b apiclient.Backfill) {
	h.T.Helper()
	a := h.Do("GET", "/backfill/"+id, nil)
	require.Equal(h.T, http.StatusOK, a.Status, string(a.Body))
	a.Into(h.T, &b)
	return b
}

func (h *harness) overSoon(id string) (b apiclient.Backfill) {
	h.T.Helper()
	require.Eventually(h.T, func() bool { b = h.backfill(id); return b.Over() }, 30*time.Second, 50*time.Millisecond, "it is over")
	return b
}

func TestLongPolls_are_limited(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.service.polls = rest.NewSlots(2, 0)
	started := h.Do("POST", "/backfill", `{`+january+`}`)
	require.Equal(t, http.StatusAccepted, started.Status, string(started.Body))
	path := started.Header.Get("Location")
	var taken []func()
	for range 2 {
		release, err := h.service.polls.Take(t.Context())
		require.NoError(t, err)
		taken = append(taken, release)
	}
	busy := h.Do("GET", path+"?wait=60s", nil)
	require.Equal(t, http.StatusServiceUnavailable, busy.Status)
	require.Equal(t, "busy", busy.Problem(t).Code)
	require.NotEmpty(t, busy.Header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, h.Do("GET", path, nil).Status, "a request that does not wait needs no slot")
	taken[0]()
	require.Equal(t, http.StatusOK, h.Do("GET", path+"?wait=100ms", nil).Status)
	taken[1]()
}

const january = `"kind":"as_of","from":"2025-01-01T00:00:00Z","to":"2025-01-04T00:00:00Z","step":"1d"`

func TestBackfills(t *testing.T) {
	t.Parallel()
	h := newHarness(t, apitest.WithTemporal)
	hold := h.WithWorker(t)
	require.NoError(t, os.WriteFile(hold, nil, 0o600))

	var plan apiclient.Plan
	a := h.Do("POST", "/backfill", `{`+january+`,"dry_run":true}`)
	require.Equal(t, http.StatusOK, a.Status, string(a.Body))
	a.Into(t, &plan)
	require.Equal(t, []int{3, 0}, []int{plan.Run, plan.Skip})
	require.Equal(t, "it never ran", plan.Windows[2].Reason)
	require.Equal(t, []any{1, int64(1000), int64(11), true}, []any{plan.Windows[0].Files, plan.Windows[0].Bytes, plan.Windows[0].Rows, plan.Windows[0].RowsEstimated})
	require.Empty(t, h.Audited(), "nothing was changed")

	// Fifty at once start one.
	answers := make([]apitest.Answer, 50)
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() { answers[i] = h.Do("POST", "/backfill", `{`+january+`,"max_parallel":2}`) })
	}
	group.Wait()
	var first apiclient.Backfill
	for _, a := range answers {
		require.Equal(t, http.StatusAccepted, a.Status, string(a.Body))
		var b apiclient.Backfill
		a.Into(t, &b)
		if first.ID == "" {
			first = b
		}
		require.Equal(t, first.ID, b.ID)
		require.Equal(t, "/backfill/"+b.ID, a.Header.Get("Location"))
	}
	require.Equal(t, "http://temporal.test/namespaces/"+h.Settings.Temporal.Namespace+"/workflows/backfill-as_of-20250101-20250104-"+first.ID, first.TemporalUI)
	require.Equal(t, "token:test", first.Actor)

	require.Eventually(t, func() bool {
		b := h.backfill(first.ID)
		return b.Count.Running == 2 && b.Windows[0].Progress != nil && b.Windows[0].Progress.Stage == workflows.StageTrain && b.Windows[0].RunID != ""
	}, 30*time.Second, 50*time.Millisecond, "two windows train and say so")
	training := h.backfill(first.ID).Windows[0]
	require.Equal(t, workflows.StagePrepare, training.Progress.Stages[0].Stage, "after the stages before")
	require.True(t, strings.HasSuffix(training.TemporalUI, "/"+training.WorkflowID+"/"+training.WorkflowRunID), training.TemporalUI)

	overlap := h.Do("POST", "/backfill", strings.Replace(`{`+january+`}`, "01-04", "01-05", 1))
	p := overlap.Problem(t)
	require.Equal(t, []any{http.StatusConflict, "overlap"}, []any{p.Status, p.Code})
	require.Contains(t, p.Detail, first.ID)
	require.Equal(t, "overlap", h.Do("POST", "/backfill", `{"kind":"as_of","from":"2025-01-02T00:00:00Z","to":"2025-01-03T00:00:00Z","step":"1d","dry_run":true}`).Problem(t).Code,
		"a dry run says so as well")
	require.Equal(t, http.StatusOK, h.Do("POST", "/backfill", `{`+january+`,"max_parallel":2,"dry_run":true}`).Status, "it is the very same")
	disjoint := h.Do("POST", "/backfill", `{"kind":"as_of","from":"2025-02-01T00:00:00Z","to":"2025-02-02T00:00:00Z","step":"24h"}`, "Idempotency-Key: k")
	require.Equal(t, http.StatusAccepted, disjoint.Status, string(disjoint.Body))
	again := h.Do("POST", "/backfill", `{"kind":"as_of","from":"2025-02-01T00:00:00Z","to":"2025-02-02T00:00:00Z","step":"24h"}`, "Idempotency-Key: k")
	require.Equal(t, disjoint.Header.Get("Location"), again.Header.Get("Location"))
	require.Equal(t, "key_reused", h.Do("POST", "/backfill", `{"kind":"refresh"}`, "Idempotency-Key: k").Problem(t).Code)
	require.Equal(t, "invalid_request", h.Do("POST", "/backfill", `{"kind":"as_of","to":"2025-02-02T00:00:00Z"}`).Problem(t).Code)

	// A long poll returns with the change, and not before.
	b := h.backfill(first.ID)
	polled := make(chan apiclient.Backfill, 1)
	go func() {
		got, err := h.Client(h.Token).Backfill(t.Context(), first.ID, 20*time.Second, b.Revision)
		assert.NoError(t, err)
		polled <- got
	}()
	select {
	case <-polled:
		require.Fail(t, "nothing has changed")
	case <-time.After(time.Second):
	}
	began := time.Now()
	require.Equal(t, http.StatusAccepted, h.Do("POST", "/backfill/"+first.ID+"/cancel", nil).Status)
	require.Greater(t, (<-polled).Revision, b.Revision)
	cancelled := h.overSoon(first.ID)
	require.Less(t, time.Since(began), 30*time.Second)
	require.Equal(t, backfill.Cancelled, cancelled.State)
	require.Equal(t, backfill.WindowCount{Total: 3, Cancelled: 3}, cancelled.Count)

	require.NoError(t, os.Remove(hold))
	require.Equal(t, http.StatusAccepted, h.Do("POST", "/backfill/"+first.ID+"/retry", nil).Status)
	failed := h.overSoon(first.ID)
	require.Equal(t, backfill.Failed, failed.State)
	require.Contains(t, failed.Windows[0].Error, "DataInvalid: train: ")
	require.Contains(t, failed.Windows[0].Error, "nothing to train on")
	require.Nil(t, failed.Windows[0].Progress, "of an as_of it is over")
	require.Equal(t, 2, failed.Round)
	h.overSoon(strings.TrimPrefix(disjoint.Header.Get("Location"), "/backfill/"))

	// A refresh reports its stages to the end, and afterwards.
	refresh := h.Do("POST", "/backfill", `{"kind":"refresh"}`)
	require.Equal(t, http.StatusAccepted, refresh.Status, string(refresh.Body))
	ended := h.overSoon(strings.TrimPrefix(refresh.Header.Get("Location"), "/backfill/")).Windows[0]
	require.NotNil(t, ended.Progress)
	require.Equal(t, []any{workflows.StageDone, workflows.OutcomeFailed}, []any{ended.Progress.Stage, ended.Progress.Outcome})
	last := ended.Progress.Stages[len(ended.Progress.Stages)-1]
	require.Equal(t, workflows.StageTrain, last.Stage)
	require.Contains(t, last.Detail, "nothing to train on")
	require.False(t, last.EndedAt.IsZero())

	var page apiclient.Backfills
	h.Do("GET", "/backfill?limit=1", nil).Into(t, &page)
	require.Len(t, page.Items, 1)
	require.Empty(t, page.Items[0].Windows)
	var rest apiclient.Backfills
	h.Do("GET", "/backfill?limit=2&cursor="+page.Next, nil).Into(t, &rest)
	require.Equal(t, first.ID, rest.Items[1].ID)
	require.Empty(t, rest.Next)
	require.Equal(t, "not_found", h.Do("GET", "/backfill/none", nil).Problem(t).Code)
	require.Equal(t, []string{
		"done backfill.start", "done backfill.retry " + first.ID, "done backfill.cancel " + first.ID, "refused backfill.start as_of invalid_request",
		"refused backfill.start refresh key_reused", "done backfill.start", "refused backfill.start as_of overlap", "refused backfill.start overlap", "done backfill.start",
	}, withoutIDs(h.Audited()))
}

func TestETA(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	now := time.Now()
	took := func(d time.Duration) backfill.Window {
		return backfill.Window{State: backfill.Succeeded, StartedAt: now.Add(-d), EndedAt: now}
	}
	b := backfill.Backfill{State: backfill.Running, MaxParallel: 2, Windows: []backfill.Window{
		took(time.Minute), took(4 * time.Minute), took(9 * time.Minute),
		{State: backfill.Running, StartedAt: now.Add(-time.Minute)},
		{State: backfill.Running, StartedAt: now.Add(-time.Hour)},
		{State: backfill.Pending},
	}}
	out := h.service.describe(b)
	require.NoError(t, h.service.addETA(t.Context(), &out))
	require.WithinDuration(t, now.Add(8*time.Minute), out.ETA, 20*time.Second, "three are left, two at a time, four minutes each")
	require.WithinDuration(t, now.Add(3*time.Minute), out.Windows[3].ETA, 20*time.Second)
	require.WithinDuration(t, now, out.Windows[4].ETA, 20*time.Second, "not in the past")
	require.Zero(t, out.Windows[0].ETA)
	require.Zero(t, out.Windows[5].ETA)

	b.Windows = b.Windows[3:]
	out = h.service.describe(b)
	require.NoError(t, h.service.addETA(t.Context(), &out))
	require.Zero(t, out.ETA, "nothing ran before")
	m := postgrestest.Manifest(t, postgrestest.Fixture{})
	m.Coverage.StoredTo = now.Add(-10 * time.Minute)
	v, err := h.Store.CreateVersion(t.Context(), versions.NewVersion{Manifest: m})
	require.NoError(t, err)
	require.NoError(t, h.Store.MarkReady(t.Context(), v.ID, nil))
	require.NoError(t, h.service.addETA(t.Context(), &out))
	require.WithinDuration(t, now.Add(9*time.Minute), out.Windows[0].ETA, 20*time.Second, "a version took ten minutes")
}

// withoutIDs removes the ids of new backfills.
func withoutIDs(lines []string) (out []string) {
	for _, l := range lines {
		if f := strings.Fields(l); f[1] == "backfill.start" && len(f[2]) == backfill.IDLength {
			l = strings.Join(append(f[:2], f[3:]...), " ")
		}
		out = append(out, l)
	}
	return out
}

func TestBackfillsWithoutTemporal(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	plan := h.Do("POST", "/backfill", `{`+january+`,"dry_run":true}`)
	require.Equal(t, "temporal_unavailable", plan.Problem(t).Code, "only a worker can look at the events")
	require.Equal(t, "5", plan.Header.Get("Retry-After"))

	a := h.Do("POST", "/backfill", `{`+january+`}`)
	require.Equal(t, http.StatusAccepted, a.Status, string(a.Body))
	var b apiclient.Backfill
	a.Into(t, &b)
	require.Equal(t, backfill.Pending, b.State, "it is left for a worker to start")
	again := h.Do("POST", "/backfill", `{`+january+`}`)
	require.Equal(t, a.Header.Get("Location"), again.Header.Get("Location"))
	_, err := h.Store.EndBackfill(t.Context(), b.ID, 1, "over")
	require.NoError(t, err)
	retried := h.Do("POST", "/backfill/"+b.ID+"/retry", nil)
	require.Equal(t, http.StatusAccepted, retried.Status, string(retried.Body))
	require.Equal(t, backfill.Pending, h.backfill(b.ID).State)
}

func TestBackfillsWithoutAWorker(t *testing.T) {
	t.Parallel()
	h := newHarness(t, apitest.WithTemporal)
	a := h.Do("POST", "/backfill", `{`+january+`}`)
	require.Equal(t, http.StatusAccepted, a.Status, string(a.Body))
	var b apiclient.Backfill
	a.Into(t, &b)
	require.Equal(t, []any{backfill.Pending, 3}, []any{b.State, b.Count.Pending})

	s3 := awstest.S3(t)
	require.NoError(t, s3.Put(t.Context(), "raw/interactions/dt=2025-01-02/part-0.parquet", strings.NewReader("PAR1 and then nothing")))
	h.WithWorkerOn(t, s3)
	over := h.overSoon(b.ID)
	require.Equal(t, backfill.WindowCount{Total: 3, Skipped: 1, Failed: 2}, over.Count, "a worker has started it")
	require.Equal(t, []any{backfill.Skipped, "there are no events before its end"}, []any{over.Windows[0].State, over.Windows[0].Reason})
	c, err := client.Dial(client.Options{HostPort: h.Settings.Temporal.Address, Namespace: h.Settings.Temporal.Namespace, Logger: temporaltest.Quiet})
	require.NoError(t, err)
	defer c.Close()
	harnesstest.Eventually(t, "the workflows to be visible", func() bool {
		found, err := c.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Query: `WorkflowType = "Backfill"`})
		return err == nil && found.Count == 1
	})
	plans, err := c.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Query: `WorkflowType = "PlanBackfill"`})
	require.NoError(t, err)
	require.Zero(t, plans.Count, "sizes are planned in a dry run only")
}

func TestPlan_runs_a_window_with_a_damaged_file(t *testing.T) {
	t.Parallel()
	h := newHarness(t, apitest.WithTemporal)
	s3 := awstest.S3(t)
	const key = "raw/interactions/dt=2025-01-02/part-0.parquet"
	require.NoError(t, s3.Put(t.Context(), key, strings.NewReader("PAR1 and then nothing")))
	h.WithWorkerOn(t, s3)

	var plan apiclient.Plan
	h.Do("POST", "/backfill", `{`+january+`,"dry_run":true}`).Into(t, &plan)
	require.Equal(t, []int{2, 1}, []int{plan.Run, plan.Skip})
	require.Equal(t, []string{"skip", "run", "run"}, []string{plan.Windows[0].Decision, plan.Windows[1].Decision, plan.Windows[2].Decision})
	require.Equal(t, "there are no events before its end", plan.Windows[0].Reason)
	require.Equal(t, []any{1, 1, int64(0), true}, []any{plan.Windows[1].Files, plan.Windows[1].FilesUnreadable, plan.Windows[1].Rows, plan.Windows[1].RowsEstimated})
	require.Equal(t, []apiclient.PlanWarning{{File: key, Message: "cannot count its rows: it is not a Parquet file, or it is encrypted"}}, plan.Warnings)

	started := h.Do("POST", "/backfill", `{`+january+`}`)
	require.Equal(t, http.StatusAccepted, started.Status, string(started.Body))
	var b apiclient.Backfill
	started.Into(t, &b)
	require.Equal(t, backfill.WindowCount{Total: 3, Skipped: 1, Failed: 2}, h.overSoon(b.ID).Count, "only its own window is without events")
}
