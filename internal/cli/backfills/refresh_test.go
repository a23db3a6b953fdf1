package backfills_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/cli"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/backfills"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

// Behavior of the stand-in workflow, chosen by the request's seed.
const (
	succeed = iota + 1
	refuse
	hang
)

// standIn responds like a refresh, and creates a version without a training.
func standIn(ctx workflow.Context, r workflows.RefreshRequest) (workflows.RefreshResult, error) {
	temporalRun := workflow.GetInfo(ctx).WorkflowExecution.RunID
	p := workflows.Progress{Stage: workflows.StageTrain, Detail: "iteration 6 of 12", TrainDone: 6, TrainTotal: 12, WorkflowRunID: temporalRun}
	p.RunID = r.To.UTC().Format("20060102T150405Z") + "-" + temporalRun[len(temporalRun)-8:]
	p.Stages = []workflows.StageProgress{{Stage: workflows.StagePrepare, Detail: "nothing left over"}, {Stage: workflows.StageTrain, Detail: "iteration 6 of 12"}}
	if err := workflow.SetQueryHandler(ctx, workflows.ProgressQuery, func() (workflows.Progress, error) { return p, nil }); err != nil {
		return workflows.RefreshResult{}, err
	}
	if r.Seed == hang {
		ctx.Done().Receive(ctx, nil)
		return workflows.RefreshResult{}, ctx.Err()
	}
	step := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	if err := workflow.ExecuteActivity(step, "MakeVersion", p.RunID, r.Seed == refuse).Get(ctx, &p.Version); err != nil {
		return workflows.RefreshResult{}, err
	}
	p.Stages = append(p.Stages, workflows.StageProgress{Stage: workflows.StageVerify, Detail: "the gates have run"})
	p.Stage = workflows.StageDone
	if r.Seed == refuse {
		p.Outcome = workflows.OutcomeRefused
		return workflows.RefreshResult{}, temporal.NewNonRetryableApplicationError(fmt.Sprintf("version %d is refused by recall", p.Version), activities.GateRefused, nil)
	}
	p.Outcome, p.Detail = workflows.OutcomeLive, fmt.Sprintf("version %d is live", p.Version)
	return workflows.RefreshResult{Version: p.Version}, nil
}

// makeVersion creates a version that is live or refused.
func makeVersion(t *testing.T, s *postgrestest.Store, runID string, refused bool) (int64, error) {
	v := postgrestest.Build(t, s, postgrestest.Fixture{RunID: runID, Loading: true, ChangeManifest: func(m *recsys.Manifest) {
		m.Metrics = recsys.Metrics{Users: 240,
			Candidate:  map[string]recsys.Metric{"ndcg@100": {Value: 0.3541, Low: 0.33, High: 0.377}},
			Popularity: map[string]recsys.Metric{"ndcg@100": {Value: 0.2, Low: 0.19, High: 0.21}}}
		m.Similar = &recsys.Similar{Beta: 0.25, Users: 240, Queries: 100, Grid: []recsys.SimilarResult{{Beta: 0, Recall: 0.08}, {Beta: 0.25, Recall: 0.07}}}
		m.Checks = []recsys.Check{
			{Rule: "null_ids", Severity: "error", Passed: true, Message: "every event has its ids and a type"},
			{Rule: "event_types", Severity: "warning", Count: 60, Message: "MOST EVENTS TRAIN NOTHING: transaction has no weight"},
		}
	}})
	if refused {
		return v.ID, s.MarkRefused(t.Context(), v.ID, []recsys.GateResult{{Gate: recsys.GateRecall, Value: 0.91, Threshold: 0.98, Reason: "the graph has lost items"}})
	}
	err := s.MarkReady(t.Context(), v.ID, []recsys.GateResult{{Gate: recsys.GateRecall, Passed: true, Value: 0.999, Threshold: 0.98, Reason: "recall@100 0.999 over 300 users"}})
	if err != nil {
		return v.ID, err
	}
	_, err = s.Promote(t.Context(), versions.Promotion{Version: v.ID, Actor: "test", Reason: "test"})
	return v.ID, err
}

// startTemporal runs a Temporal server with a worker for backfills, whose
// refreshes are the stand-in, and the API, and configures the commands to use
// them.
func startTemporal(t *testing.T, store *postgrestest.Store) {
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
	w.RegisterActivityWithOptions(func(_ context.Context, runID string, refused bool) (int64, error) {
		return makeVersion(t, store, runID, refused)
	}, activity.RegisterOptions{Name: "MakeVersion"})
	w.RegisterWorkflowWithOptions(standIn, workflow.RegisterOptions{Name: workflows.RefreshEmbeddings})
	workflows.RegisterBackfills(w)
	s3 := awstest.S3(t)
	require.NoError(t, s3.Put(t.Context(), "raw/events/dt=2025-01-01/hour=00/x.gz", bytes.NewReader(make([]byte, 1000))))
	w.RegisterActivity(&activities.Activities{Versions: store.VersionStore, Events: store.EventStore, Ledger: store.LedgerStore, S3: s3, Temporal: c})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	t.Setenv("RECFLOW_TEMPORAL_UI", "http://ui.test")
	clitest.StartAPI(t, server.FrontendHostPort())
}

func TestRefreshCommand(t *testing.T) {
	store := clitest.NewSystem(t)
	startTemporal(t, store)
	seed := func(n int) string { return "--seed=" + string(rune('0'+n)) }

	t.Run("it starts a refresh, prints its URL, and follows it on request", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "refresh", seed(succeed), "-o", "json")
		require.Equal(t, 0, r.Code, r.Err)
		var started map[string]string
		require.NoError(t, json.Unmarshal([]byte(r.Out), &started))
		require.NotEmpty(t, started["workflow_run_id"])
		assert.Equal(t, "http://ui.test/namespaces/default/workflows/"+started["workflow_id"]+"/"+started["workflow_run_id"], started["temporal_ui"])
		assert.Contains(t, r.Err, "recflow refresh --follow "+started["workflow_id"])

		for range 2 { // the second time after the refresh has ended
			r = clitest.Run(t.Context(), "", "refresh", "--follow", started["workflow_id"], "-o", "json")
			require.Equal(t, 0, r.Code, r.Err)
			var outcome backfills.RefreshOutcome
			require.NoError(t, json.Unmarshal([]byte(r.Out), &outcome))
			assert.Equal(t, []any{int64(1), recsys.Ready, true, "live", "version 1 is live"}, []any{outcome.Version, outcome.State, outcome.Live, outcome.Outcome, outcome.Detail})
			assert.Equal(t, "recall@100 0.999 over 300 users", outcome.Gates[0].Reason)
			assert.Len(t, outcome.Checks, 2)
			assert.Equal(t, 0.3541, outcome.Metrics.Candidate["ndcg@100"].Value)
			assert.Equal(t, 0.25, outcome.Similar.Beta)
			assert.Equal(t, outcome.RunID, outcome.Backfill.Windows[0].RunID)
			assert.Contains(t, r.Err, "✓ verify    the gates have run", "all stages, also after the end")
		}
	})
	t.Run("it waits, shows the stages and prints gates and metrics", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "refresh", seed(succeed), "--rank", "32", "--wait")
		require.Equal(t, 0, r.Code, r.Err)
		assert.Contains(t, r.Err, "http://ui.test/namespaces/default/workflows/refresh-")
		assert.Contains(t, r.Err, "✓ prepare   nothing left over")
		assert.Contains(t, r.Err, "✓ train     iteration 6 of 12")
		assert.Contains(t, r.Out, "similar items: β 0.25, by the first 20 of 100 items of 240 hold-out users")
		assert.Contains(t, r.Out, "recall@100 0.999 over 300 users")
		assert.Contains(t, r.Out, "0.3541 (0.3300 to 0.3770)")
		assert.Contains(t, r.Out, "version 2 is live")
		assert.Contains(t, r.Out, "data checks that did not pass")
		assert.Contains(t, r.Out, "MOST EVENTS TRAIN NOTHING: transaction has no weight")
		assert.NotContains(t, r.Out, "every event has its ids", "a check that passed needs no attention")
		assert.NotContains(t, r.Out, "POPULARITY IS")
	})
	for _, line := range [][]string{{"refresh", "--wait"}, {"backfill", "start", "refresh", "--promote", "--wait"}} {
		t.Run("it fails with the gates when one refuses: "+strings.Join(line, " "), func(t *testing.T) {
			r := clitest.Run(t.Context(), "", append(line, seed(refuse))...)
			assert.Equal(t, app.ExitRefused, r.Code)
			assert.Contains(t, r.Out, "✗ refused")
			assert.Contains(t, r.Out, "the graph has lost items")
			assert.Regexp(t, "GateRefused: version [34] is refused by recall; inspect it with `recflow versions show [34]`", r.Err)
		})
	}
	t.Run("it leaves the refresh running when interrupted, and cancels it on request", func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		var errs harnesstest.Buffer
		code := make(chan int, 1)
		go func() {
			code <- cli.Run(ctx, []string{"refresh", seed(hang), "--wait"}, app.Streams{In: strings.NewReader(""), Out: io.Discard, Err: &errs})
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
		assert.Regexp(t, "the backfill continues; follow it with `recflow backfill watch [a-z2-7]{8}`", errs.String())
		id := regexp.MustCompile(`refresh (refresh-\S+);`).FindStringSubmatch(errs.String())
		require.NotNil(t, id, errs.String())

		r := clitest.Run(t.Context(), "", "refresh", "--cancel", id[1])
		require.Equal(t, 0, r.Code, r.Err)
		r = clitest.Run(t.Context(), "", "refresh", "--follow", id[1])
		assert.Equal(t, 1, r.Code)
		assert.Contains(t, r.Err, "the refresh was cancelled; the live version has not changed")
	})
	t.Run("it reports an unknown refresh", func(t *testing.T) {
		for _, flag := range []string{"--follow", "--cancel"} {
			for _, id := range []string{"refresh-of-nothing", "recflow-refresh-2026-01-02T03:00:00Z"} {
				r := clitest.Run(t.Context(), "", "refresh", flag, id)
				assert.Equal(t, app.ExitNotFound, r.Code)
				assert.Contains(t, r.Err, "refresh "+id+" not found")
			}
		}
	})
}

func TestRefreshFlags(t *testing.T) {
	var asked apiclient.NewBackfill
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = apiclient.NewBackfill{}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", apiclient.ProblemType)
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(apiclient.Problem{Status: http.StatusUnprocessableEntity, Code: "invalid_request", Detail: "too much is requested"})
	}))
	t.Cleanup(server.Close)
	t.Setenv("RECFLOW_HOME", t.TempDir())
	t.Setenv("RECFLOW_API_URL", server.URL)
	ask := func(args ...string) apiclient.NewBackfill {
		for _, wait := range []string{"--wait=false", "--wait"} {
			r := clitest.Run(t.Context(), "", append([]string{"refresh", wait}, args...)...)
			require.Equal(t, app.ExitUsage, r.Code, r.Err)
			require.Contains(t, r.Err, "too much is requested", "the API reports what is wrong")
		}
		return asked
	}
	t.Run("it requests everything until now, promoted, by default", func(t *testing.T) {
		n := ask()
		assert.WithinDuration(t, time.Now().Add(time.Second), n.To, 3*time.Second)
		assert.Zero(t, n.To.Nanosecond())
		assert.False(t, n.To.Before(time.Now().Truncate(time.Second)), "events that were just imported are included")
		n.To = time.Time{}
		assert.Equal(t, apiclient.NewBackfill{Kind: backfill.Refresh, Promote: true, Rerun: backfill.RerunAll, Training: &apiclient.Training{}}, n)
	})
	t.Run("it passes times, ages, overrides, the index and the training", func(t *testing.T) {
		n := ask("--from", "2017-01-01", "--to", "2017-12-04T12:00:00+01:00", "--half-life", "90d", "--no-promote", "--index", "hnsw",
			"--accept-gate", "quality", "--accept-gate", "rows", "--reason", "moved house", "--rank", "32", "--iterations", "5", "--alpha", "3", "--reg", "0.2", "--seed", "0")
		assert.Equal(t, apiclient.NewBackfill{
			Kind: backfill.Refresh, Rerun: backfill.RerunAll,
			From: time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2017, 12, 4, 11, 0, 0, 0, time.UTC),
			Training: &apiclient.Training{Rank: 32, Iterations: 5, Alpha: 3, Regularization: 0.2, Seed: new(int64(0)), HalfLife: "90d", Index: apiclient.IndexHNSW,
				AcceptGates: map[string]string{"quality": "moved house", "rows": "moved house"}},
		}, n)
	})
	t.Run("it passes the interest of a file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "interest.yaml")
		require.NoError(t, os.WriteFile(path, []byte("weights: {addtocart: 3, transaction: 5}\nhalf_life: 30d\n"), 0o600))
		assert.Equal(t, &recsys.InterestSettings{Weights: map[string]float64{"addtocart": 3, "transaction": 5}, HalfLife: "30d"}, ask("--interest", path).Training.Interest)

		require.NoError(t, os.WriteFile(path, []byte("weightz: {transaction: 5}\n"), 0o600))
		r := clitest.Run(t.Context(), "", "refresh", "--interest", path)
		assert.Equal(t, app.ExitUsage, r.Code)
		assert.Contains(t, r.Err, `unknown field "weightz"`)
	})
	t.Run("it refuses an invalid time", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "refresh", "--to", "yesterday")
		assert.Equal(t, app.ExitUsage, r.Code)
		assert.Contains(t, r.Err, `--to "yesterday" is not a time`)
	})
}

func TestRefreshCommand_requires_a_reason_for_an_accepted_gate(t *testing.T) {
	t.Parallel()
	assert.Equal(t, app.ExitUsage, clitest.Run(t.Context(), "", "refresh", "--accept-gate", "quality").Code)
}
