package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
	"github.com/recflow/recflow/internal/progress"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
	"github.com/recflow/recflow/workflows"
)

func TestRefreshFlags(t *testing.T) {
	complete := func(set func(*refreshFlags)) (workflows.RefreshRequest, error) {
		f := refreshFlags{request: workflows.DefaultRefresh(time.Now())}
		set(&f)
		err := f.complete()
		return f.request, err
	}
	t.Run("it asks for everything, promoted, by default", func(t *testing.T) {
		r, err := complete(func(*refreshFlags) {})
		require.NoError(t, err)
		assert.True(t, r.Promote)
		assert.True(t, r.From.IsZero())
		assert.Nil(t, r.Search)
		assert.Contains(t, r.Actor, "cli")
	})
	t.Run("it reads times, ages, overrides and the search", func(t *testing.T) {
		r, err := complete(func(f *refreshFlags) {
			f.from, f.to, f.halfLife, f.noPromote, f.index = "2017-01-01", "2017-12-04T12:00:00+01:00", "90d", true, true
			f.accept, f.reason = []string{"quality", "rows"}, "moved house"
		})
		require.NoError(t, err)
		assert.Equal(t, time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC), r.From)
		assert.Equal(t, time.Date(2017, 12, 4, 11, 0, 0, 0, time.UTC), r.To)
		assert.Equal(t, 90*24*3600., r.Interest.HalfLifeSeconds)
		assert.False(t, r.Promote)
		assert.Equal(t, map[string]string{"quality": "moved house", "rows": "moved house"}, r.AcceptGates)
		assert.Equal(t, recsys.HNSW, r.Search.Method)
		assert.Equal(t, 48, r.Search.M)
	})
	for name, set := range map[string]func(*refreshFlags){
		"a time that is none":    func(f *refreshFlags) { f.to = "yesterday" },
		"an age that is none":    func(f *refreshFlags) { f.halfLife = "-3d" },
		"an empty range":         func(f *refreshFlags) { f.from, f.to = "2018-01-01", "2017-01-01" },
		"a gate there is not":    func(f *refreshFlags) { f.accept, f.reason = []string{"golden"}, "why not" },
		"a rank out of bounds":   func(f *refreshFlags) { f.request.Rank = 5000 },
		"a regularisation of -1": func(f *refreshFlags) { f.request.Regularization = -1 },
	} {
		t.Run("it refuses "+name, func(t *testing.T) {
			_, err := complete(set)
			assert.Error(t, err)
		})
	}
	t.Run("it wants a reason for an accepted gate", func(t *testing.T) {
		assert.Equal(t, 2, recflow(t.Context(), "", "refresh", "--accept-gate", "quality").code)
	})
}

func TestStageDisplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out harnesstest.Buffer
		d := &stageDisplay{printer: progress.New(&out).Calm(lineEvery)}
		d.update(workflows.Progress{}) // no worker has answered yet
		p := workflows.Progress{
			Stage: workflows.StageTrain, Detail: "fit 1 of 12", TrainDone: 1, TrainTotal: 12,
			Stages: []workflows.StageProgress{{Stage: workflows.StagePrepare}, {Stage: workflows.StageTrain, Detail: "fit 1 of 12"}},
		}
		d.update(p)
		time.Sleep(lineEvery + time.Second) //nolint:forbidigo // on the fake clock of synctest
		p.Stages[1].Detail = "trained"
		p.Stages = append(p.Stages, workflows.StageProgress{Stage: workflows.StageLoad, Detail: "9 of 9 files, 90 of 90 rows"})
		d.update(p)
		p.Outcome, p.Detail = workflows.OutcomeLive, "version 1 is live"
		d.update(p)
		d.finish(true)
		d.finish(true) // ends once
		assert.Equal(t, strings.Join([]string{
			"… refresh: waiting for a worker",
			"✓ refresh   a worker has it",
			"✓ prepare   done",
			"… train: fit 1 of 12 · 5s",
			"✓ train     trained · 6s",
			"✓ load      9 of 9 files, 90 of 90 rows",
			"",
		}, "\n"), out.String(), "it says each thing once, with calm in between")
	})
}

func TestOutcome(t *testing.T) {
	for want, r := range map[string]workflows.RefreshResult{
		"version 3 is live": {Version: 3, State: recsys.Ready, Live: true, Detail: "version 3 is live"},
		"version 3 is ready, not live: promotion was not asked for; make it live with `recflow versions promote 3`": {Version: 3, State: recsys.Ready, Detail: "promotion was not asked for"},
	} {
		assert.Equal(t, want, outcomeText(r), "it says what became of the version, once")
	}
	t.Run("it names a dead Spark, with the log", func(t *testing.T) {
		err := temporal.NewNonRetryableApplicationError("train: Glue run jr_1 ended as FAILED: the Spark JVM died. Log: /runs/jr_1/output.log", activities.SparkDied, nil)
		assert.EqualError(t, refreshError(err, 0), "SparkDied: train: Glue run jr_1 ended as FAILED: the Spark JVM died. Log: /runs/jr_1/output.log")
	})
	t.Run("it gives every failed rule a line", func(t *testing.T) {
		err := temporal.NewNonRetryableApplicationError("train: rule nulls: 2 rows; drop them; rule time_range: 3 rows; mend them", activities.DataInvalid, nil)
		assert.EqualError(t, refreshError(err, 0), "DataInvalid: train:\n  rule nulls: 2 rows; drop them\n  rule time_range: 3 rows; mend them")
	})
}

// What the stand-in workflow does, chosen by the request's seed.
const (
	succeed = iota + 1
	refuse
	hang
)

// standIn answers like a refresh and does nothing.
func standIn(ctx workflow.Context, r workflows.RefreshRequest) (workflows.RefreshResult, error) {
	p := workflows.Progress{Stage: workflows.StageTrain, Detail: "iteration 6 of 12", TrainDone: 6, TrainTotal: 12, Version: 1}
	p.Stages = []workflows.StageProgress{{Stage: workflows.StagePrepare, Detail: "nothing left over"}, {Stage: workflows.StageTrain}}
	if err := workflow.SetQueryHandler(ctx, workflows.ProgressQuery, func() (workflows.Progress, error) { return p, nil }); err != nil {
		return workflows.RefreshResult{}, err
	}
	gates := []recsys.GateResult{{Gate: recsys.GateRecall, Passed: true, Value: 0.999, Threshold: 0.98, Reason: "recall@100 0.999 over 300 users"}}
	switch r.Seed {
	case refuse:
		p.Gates = []recsys.GateResult{{Gate: recsys.GateRecall, Value: 0.91, Threshold: 0.98, Reason: "the graph has lost items"}}
		return workflows.RefreshResult{}, temporal.NewNonRetryableApplicationError("version 1 is refused by recall", activities.GateRefused, nil)
	case hang:
		ctx.Done().Receive(ctx, nil)
		return workflows.RefreshResult{}, ctx.Err()
	}
	return workflows.RefreshResult{RunID: "run-a", Version: 1, State: recsys.Ready, Live: true, Detail: "version 1 is live", Gates: gates}, nil
}

// startTemporal runs a Temporal server with a worker for backfills, whose
// refreshes are the stand-in, and the API, and lets the commands find them.
func startTemporal(t *testing.T, store *vectorstore.Store) {
	t.Helper()
	tools := toolchaintest.Tools(t)
	quiet := slog.New(slog.DiscardHandler)
	server, err := testsuite.StartDevServer(t.Context(), testsuite.DevServerOptions{
		ExistingPath: tools.Temporal, ClientOptions: &client.Options{Logger: quiet}, Stdout: io.Discard, Stderr: io.Discard,
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	c := server.Client()
	t.Cleanup(c.Close)
	w := worker.New(c, "recflow", worker.Options{})
	w.RegisterWorkflowWithOptions(standIn, workflow.RegisterOptions{Name: workflows.RefreshEmbeddings})
	workflows.RegisterBackfills(w)
	s3 := awstest.S3(t)
	require.NoError(t, s3.Put(t.Context(), "raw/events/dt=2025-01-01/hour=00/x.gz", bytes.NewReader(make([]byte, 1000))))
	w.RegisterActivity(&activities.Activities{Store: store, S3: s3, Temporal: c})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	withAPI(t, server.FrontendHostPort())
	t.Setenv("RECFLOW_TEMPORAL_ADDRESS", server.FrontendHostPort())
	t.Setenv("RECFLOW_TEMPORAL_UI", "http://ui.test")
}

func TestRefreshCommand(t *testing.T) {
	store := newSystem(t)
	withVersions(t, store)
	startTemporal(t, store)
	seed := func(n int) string { return "--seed=" + string(rune('0'+n)) }

	t.Run("it starts a refresh and prints where to watch it", func(t *testing.T) {
		r := recflow(t.Context(), "", "refresh", seed(succeed), "-o", "json")
		require.Equal(t, 0, r.code, r.err)
		var started map[string]string
		require.NoError(t, json.Unmarshal([]byte(r.out), &started))
		assert.Equal(t, "http://ui.test/namespaces/default/workflows/"+started["workflow_id"]+"/"+started["workflow_run_id"], started["temporal_ui"])
		assert.Contains(t, r.err, "recflow refresh --follow "+started["workflow_id"])
	})
	t.Run("it waits, shows the stages and prints gates and metrics", func(t *testing.T) {
		r := recflow(t.Context(), "", "refresh", seed(succeed), "--rank", "32", "--wait")
		require.Equal(t, 0, r.code, r.err)
		assert.Contains(t, r.err, "http://ui.test/namespaces/default/workflows/refresh-")
		assert.Contains(t, r.err, "✓ prepare   nothing left over")
		assert.Contains(t, r.err, "✓ train     iteration 6 of 12")
		assert.Contains(t, r.out, "recall@100 0.999 over 300 users")
		assert.Contains(t, r.out, "0.3541 (0.3300 to 0.3770)")
		assert.Contains(t, r.out, "version 1 is live")
	})
	t.Run("it fails with the gates when one refuses", func(t *testing.T) {
		r := recflow(t.Context(), "", "refresh", seed(refuse), "--wait")
		assert.Equal(t, exitRefused, r.code)
		assert.Contains(t, r.out, "✗ refused")
		assert.Contains(t, r.out, "the graph has lost items")
		assert.Contains(t, r.err, "GateRefused: version 1 is refused by recall; inspect it with `recflow versions show 1`")
	})
	t.Run("it leaves the refresh going when interrupted, and cancels it on request", func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		var errs harnesstest.Buffer
		code := make(chan int, 1)
		go func() {
			code <- run(ctx, []string{"refresh", seed(hang), "--wait"}, streams{in: strings.NewReader(""), out: io.Discard, err: &errs})
		}()
		harnesstest.Eventually(t, "the stage after prepare", func() bool {
			select {
			case early := <-code:
				require.Fail(t, "it has ended", "with %d: %s", early, errs.String())
			default:
			}
			return strings.Contains(errs.String(), "✓ prepare")
		})
		interrupt()
		require.Equal(t, 130, <-code)
		assert.NotContains(t, errs.String(), "✗", "nothing has failed")
		_, after, found := strings.Cut(errs.String(), "--cancel ")
		require.True(t, found, errs.String())
		id, _, _ := strings.Cut(after, "`")

		r := recflow(t.Context(), "", "refresh", "--cancel", id)
		require.Equal(t, 0, r.code, r.err)
		r = recflow(t.Context(), "", "refresh", "--follow", id)
		assert.Equal(t, 1, r.code)
		assert.Contains(t, r.err, "the refresh was cancelled; nothing live has changed")
	})
	t.Run("it says when a refresh is not known", func(t *testing.T) {
		for _, flag := range []string{"--follow", "--cancel"} {
			r := recflow(t.Context(), "", "refresh", flag, "refresh-of-nothing")
			assert.Equal(t, 1, r.code)
			assert.Contains(t, r.err, "no refresh refresh-of-nothing is known")
		}
	})
}
