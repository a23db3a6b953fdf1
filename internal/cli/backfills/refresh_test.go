package backfills_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/cli"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
	"github.com/recflow/recflow/workflows"
)

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
	clitest.StartAPI(t, server.FrontendHostPort())
	t.Setenv("RECFLOW_TEMPORAL_ADDRESS", server.FrontendHostPort())
	t.Setenv("RECFLOW_TEMPORAL_UI", "http://ui.test")
}

func TestRefreshCommand(t *testing.T) {
	store := clitest.NewSystem(t)
	clitest.WithVersions(t, store)
	startTemporal(t, store)
	seed := func(n int) string { return "--seed=" + string(rune('0'+n)) }

	t.Run("it starts a refresh and prints where to watch it", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "refresh", seed(succeed), "-o", "json")
		require.Equal(t, 0, r.Code, r.Err)
		var started map[string]string
		require.NoError(t, json.Unmarshal([]byte(r.Out), &started))
		assert.Equal(t, "http://ui.test/namespaces/default/workflows/"+started["workflow_id"]+"/"+started["workflow_run_id"], started["temporal_ui"])
		assert.Contains(t, r.Err, "recflow refresh --follow "+started["workflow_id"])
	})
	t.Run("it waits, shows the stages and prints gates and metrics", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "refresh", seed(succeed), "--rank", "32", "--wait")
		require.Equal(t, 0, r.Code, r.Err)
		assert.Contains(t, r.Err, "http://ui.test/namespaces/default/workflows/refresh-")
		assert.Contains(t, r.Err, "✓ prepare   nothing left over")
		assert.Contains(t, r.Err, "✓ train     iteration 6 of 12")
		assert.Contains(t, r.Out, "recall@100 0.999 over 300 users")
		assert.Contains(t, r.Out, "0.3541 (0.3300 to 0.3770)")
		assert.Contains(t, r.Out, "version 1 is live")
	})
	t.Run("it fails with the gates when one refuses", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "refresh", seed(refuse), "--wait")
		assert.Equal(t, app.ExitRefused, r.Code)
		assert.Contains(t, r.Out, "✗ refused")
		assert.Contains(t, r.Out, "the graph has lost items")
		assert.Contains(t, r.Err, "GateRefused: version 1 is refused by recall; inspect it with `recflow versions show 1`")
	})
	t.Run("it leaves the refresh going when interrupted, and cancels it on request", func(t *testing.T) {
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
		_, after, found := strings.Cut(errs.String(), "--cancel ")
		require.True(t, found, errs.String())
		id, _, _ := strings.Cut(after, "`")

		r := clitest.Run(t.Context(), "", "refresh", "--cancel", id)
		require.Equal(t, 0, r.Code, r.Err)
		r = clitest.Run(t.Context(), "", "refresh", "--follow", id)
		assert.Equal(t, 1, r.Code)
		assert.Contains(t, r.Err, "the refresh was cancelled; nothing live has changed")
	})
	t.Run("it says when a refresh is not known", func(t *testing.T) {
		for _, flag := range []string{"--follow", "--cancel"} {
			r := clitest.Run(t.Context(), "", "refresh", flag, "refresh-of-nothing")
			assert.Equal(t, 1, r.Code)
			assert.Contains(t, r.Err, "no refresh refresh-of-nothing is known")
		}
	})
}

func TestRefreshCommand_wants_a_reason_for_an_accepted_gate(t *testing.T) {
	t.Parallel()
	assert.Equal(t, app.ExitUsage, clitest.Run(t.Context(), "", "refresh", "--accept-gate", "quality").Code)
}
