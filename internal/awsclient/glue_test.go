package awsclient_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/glue"
	"github.com/recflow/recflow/internal/local/aws/glue/gluetest"
	"github.com/recflow/recflow/internal/recsys"
)

// waits is a job that runs until it is stopped.
const waits = "import time\nwhile True: time.sleep(60)"

func TestGlue_starts_one_run_if_the_response_is_lost(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{Script: waits, Job: glue.Job{MaxConcurrentRuns: 3}})
	c, ctx := e.Client(t), t.Context()
	e.Faults.LoseAnswer("StartJobRun", 1)

	_, err := c.Start(ctx, map[string]string{"--run_id": "r1"})
	require.Error(t, err)
	require.True(t, awsclient.Retryable(err))
	require.Equal(t, 1, e.Faults.Calls("StartJobRun"), "the SDK retried it")

	r, err := c.FindRun(ctx, "r1")
	require.NoError(t, err)
	require.False(t, r.State.Over())
}

func TestGlue_retries_idempotent_calls(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{})
	e.Faults.Refuse("GetJobRuns", 1, http.StatusBadRequest, "ThrottlingException")
	e.Faults.LoseAnswer("GetJobRuns", 2)

	_, err := e.Client(t).FindRun(t.Context(), "r1")
	require.ErrorIs(t, err, recsys.ErrNotFound)
	require.Equal(t, 3, e.Faults.Calls("GetJobRuns"))
}

func TestGlue_reports_a_throttled_start_as_retryable(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{})
	e.Faults.Refuse("StartJobRun", 1, http.StatusBadRequest, "ThrottlingException")
	_, err := e.Client(t).Start(t.Context(), nil)
	require.ErrorContains(t, err, "ThrottlingException")
	require.True(t, awsclient.Retryable(err))
	require.False(t, awsclient.ConcurrentRunsExceeded(err))
}

func TestGlue_FindRun_prefers_active_and_successful_runs(t *testing.T) {
	t.Parallel()
	// The job fails, unless it is started with --wait.
	script := "import sys, time\nif '--wait' not in sys.argv: sys.exit(1)\n" + waits
	e := gluetest.New(t, gluetest.Options{Script: script, Job: glue.Job{MaxConcurrentRuns: 3}})
	c, ctx := e.Client(t), t.Context()
	run := func(arguments map[string]string) string {
		id, err := c.Start(ctx, arguments)
		require.NoError(t, err)
		return id
	}
	fail := func() string {
		id := run(map[string]string{"--run_id": "r"})
		harnesstest.Eventually(t, "the run to end", func() bool {
			r, err := c.Get(ctx, id)
			require.NoError(t, err)
			return r.State.Over()
		})
		return id
	}
	fail()
	second := fail()
	r, err := c.FindRun(ctx, "r")
	require.NoError(t, err)
	require.Equal(t, second, r.ID, "the newest, when all failed")

	live := run(map[string]string{"--run_id": "r", "--wait": "1"})
	fail()
	r, err = c.FindRun(ctx, "r")
	require.NoError(t, err)
	require.Equal(t, live, r.ID, "the active one, even if a newer one failed")
}

func TestGlue_Stop_reports_an_unknown_run(t *testing.T) {
	t.Parallel()
	err := gluetest.New(t, gluetest.Options{}).Client(t).Stop(t.Context(), "jr_x")
	require.ErrorIs(t, err, recsys.ErrNotFound)
}
