package backfills

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/progress"
	"github.com/recflow/recflow/internal/recsys"
)

// oneWindow returns a refresh with the given state and window.
func oneWindow(state string, s apiclient.Window) apiclient.Backfill {
	b := apiclient.Backfill{Windows: []apiclient.Window{s}}
	b.ID, b.Kind, b.State, b.Count.Total = "x", backfill.Refresh, state, 1
	return b
}

func TestStageDisplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out harnesstest.Buffer
		d := newDisplay(progress.New(&out).Calm(lineEvery), backfill.Refresh)
		d.update(oneWindow(backfill.Pending, apiclient.Window{})) // no worker has responded yet
		p := &apiclient.Progress{
			Stage: backfill.StageTrain, Detail: "fit 1 of 12", TrainDone: 1, TrainTotal: 12,
			Stages: []apiclient.StageProgress{{Stage: backfill.StagePrepare}, {Stage: backfill.StageTrain, Detail: "fit 1 of 12"}},
		}
		s := apiclient.Window{Progress: p, TemporalUI: "http://ui.test/w"}
		s.WorkflowID = "refresh-all-20250101-x"
		d.update(oneWindow(backfill.Running, s))
		time.Sleep(lineEvery + time.Second) //nolint:forbidigo // on the fake clock of synctest
		p.Stages[1].Detail = "trained"
		p.Stages = append(p.Stages, apiclient.StageProgress{Stage: backfill.StageLoad, Detail: "9 of 9 files, 90 of 90 rows"})
		d.update(oneWindow(backfill.Running, s))
		p.Outcome, p.Detail = backfill.OutcomeLive, "version 1 is live"
		d.update(oneWindow(backfill.Succeeded, s))
		d.finish(oneWindow(backfill.Succeeded, s))
		assert.Equal(t, strings.Join([]string{
			"… refresh: waiting for a worker",
			"refresh refresh-all-20250101-x; watch it at http://ui.test/w",
			"✓ refresh   a worker took it",
			"✓ prepare   done",
			"… train: fit 1 of 12 · 5s",
			"✓ train     trained · 6s",
			"✓ load      9 of 9 files, 90 of 90 rows",
			"",
		}, "\n"), out.String(), "it prints each line once")
	})
}

func TestStageDisplay_of_a_refresh_without_stages(t *testing.T) {
	t.Parallel()
	skipped := apiclient.Window{}
	skipped.State, skipped.Reason = backfill.Skipped, backfill.NoEvents
	for want, b := range map[string]apiclient.Backfill{
		"✓ refresh   skipped: " + backfill.NoEvents: oneWindow(backfill.Succeeded, skipped),
		"✓ refresh   done":                          oneWindow(backfill.Succeeded, apiclient.Window{}),
		"✗ refresh   waiting for a worker":          oneWindow(backfill.Cancelled, apiclient.Window{}),
	} {
		var out harnesstest.Buffer
		d := newDisplay(progress.New(&out), backfill.Refresh)
		d.update(b)
		d.finish(b)
		assert.Contains(t, out.String(), want)
	}
}

func TestBackfillOf(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"refresh-all-20250109T0331Z-7k2mxq4c":          "7k2mxq4c",
		"refresh-20240101-20250109-7k2mxq4c-a2":        "7k2mxq4c",
		"evaluate-20240108-7k2mxq4c":                   "7k2mxq4c",
		"backfill-as_of-20240101-20250101-7k2mxq4c-r2": "7k2mxq4c",
		"7k2mxq4c": "7k2mxq4c",
		"recflow-refresh-workflow-2026-01-02T03:00:00Z": "recflow-refresh-workflow-2026-01-02T03:00:00Z",
	} {
		assert.Equal(t, want, backfillOf(id))
	}
}

func TestRefreshOutcome(t *testing.T) {
	t.Parallel()
	ended := func(state, err string, p *apiclient.Progress) apiclient.Backfill {
		s := apiclient.Window{Progress: p}
		s.State, s.Version, s.Error = state, 3, err
		return oneWindow(map[bool]string{true: backfill.Failed, false: backfill.Succeeded}[err != ""], s)
	}
	version := func(state recsys.State, live bool) (v apiclient.VersionReport) {
		v.ID, v.State, v.Live = 3, state, live
		return v
	}
	for want, o := range map[string]refreshOutcome{
		"version 3 is live": newRefreshOutcome(ended(backfill.Succeeded, "", &apiclient.Progress{Outcome: backfill.OutcomeLive, Detail: "version 3 is live"}), version(recsys.Ready, true)),
		"version 3 is ready, not live: promotion was not requested; promote it with `recflow versions promote 3`": newRefreshOutcome(ended(backfill.Succeeded, "",
			&apiclient.Progress{Outcome: backfill.OutcomeReady, Detail: "promotion was not requested"}), version(recsys.Ready, false)),
		"version 3 is ready, not live: version 3 is ready; promote it with `recflow versions promote 3`": newRefreshOutcome(ended(backfill.Succeeded, "", nil), version(recsys.Ready, false)),
	} {
		assert.Equal(t, want, outcomeText(o), "it prints the outcome of the version once")
	}
	assert.Equal(t, "version 3 is live", outcomeText(newRefreshOutcome(ended(backfill.Succeeded, "", nil), version(recsys.Ready, true))), "also if Temporal no longer retains it")

	fails := func(text string, v apiclient.VersionReport) error {
		b := ended(backfill.Failed, text, nil)
		return refreshError(b, newRefreshOutcome(b, v))
	}
	t.Run("it names a dead Spark, with the log", func(t *testing.T) {
		err := fails("SparkDied: train: Glue run jr_1 ended as FAILED: the Spark JVM died. Log: /runs/jr_1/output.log", apiclient.VersionReport{})
		assert.EqualError(t, err, "SparkDied: train: Glue run jr_1 ended as FAILED: the Spark JVM died. Log: /runs/jr_1/output.log")
		assert.Equal(t, 1, app.ExitCode(err))
	})
	t.Run("it prints every failed rule on a line", func(t *testing.T) {
		err := fails("DataInvalid: train: rule nulls: 2 rows; drop them; rule time_range: 3 rows; fix them", apiclient.VersionReport{})
		assert.EqualError(t, err, "DataInvalid: train:\n  rule nulls: 2 rows; drop them\n  rule time_range: 3 rows; fix them")
	})
	t.Run("it has a separate exit code for a refusal", func(t *testing.T) {
		err := fails("GateRefused: version 3 is refused", version(recsys.Refused, false))
		assert.EqualError(t, err, "GateRefused: version 3 is refused; inspect it with `recflow versions show 3`")
		assert.Equal(t, app.ExitRefused, app.ExitCode(err))
		assert.Equal(t, 1, app.ExitCode(fails("Conflict: others keep going live", version(recsys.Ready, false))))
	})
	t.Run("it says how to import events", func(t *testing.T) {
		s := apiclient.Window{}
		s.State, s.Reason = backfill.Skipped, backfill.NoEvents
		b := oneWindow(backfill.Succeeded, s)
		assert.ErrorContains(t, refreshError(b, newRefreshOutcome(b, apiclient.VersionReport{})), "import some with `recflow import`")
	})
}

func TestNoWorker(t *testing.T) {
	t.Parallel()
	const timeout = 100 * time.Millisecond
	var maxFailedPolls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select { // as the API does while nothing changes
		case <-time.After(10 * time.Millisecond):
		case <-r.Context().Done():
		}
		state := backfill.Pending
		if maxFailedPolls.Add(1) > 50 {
			state = backfill.Cancelled
		}
		_ = json.NewEncoder(w).Encode(oneWindow(state, apiclient.Window{}))
	}))
	t.Cleanup(server.Close)
	api := apiclient.New(apiclient.Options{URL: server.URL})
	_, err := awaitWorker(t.Context(), api, oneWindow(backfill.Pending, apiclient.Window{}), timeout)
	require.ErrorContains(t, err, "no worker has taken backfill x after 100ms; it starts when one runs")

	for _, quiet := range []bool{false, true} {
		maxFailedPolls.Store(0)
		var errs harnesstest.Buffer
		a := &app.App{Streams: app.Streams{Out: io.Discard, Err: &errs}, Quiet: quiet}
		b, err := follow(t.Context(), a, api, oneWindow(backfill.Pending, apiclient.Window{}), timeout)
		require.NoError(t, err)
		require.Equal(t, backfill.Cancelled, b.State, "it keeps waiting")
		require.Equal(t, 1, strings.Count(errs.String(), "waiting: no worker has taken backfill x after 100ms"), errs.String())
	}
}
