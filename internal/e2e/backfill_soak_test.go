package e2e_test

import (
	"encoding/json"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/cli/sources"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/stack"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

// TestBackfillSoak trains twelve times on completejourney, each time on the data
// before a cutoff, while the worker is killed twice, a training is stopped
// externally, and the backfill is cancelled and retried. It prints the curve. make
// soak runs it.
func TestBackfillSoak(t *testing.T) {
	if !*postgrestest.Soak {
		t.Skip("twelve trainings take 15 minutes; make soak runs it")
	}
	faults := harnesstest.CountFaults(t, "worker killed", "training stopped")
	l := newLoop(t)
	l.recflow("up", "--free-ports", "--quiet")
	l.recflow("import", "completejourney", "--until", sources.DemoUntil, "--quiet")
	vars, err := stack.LoadEnv(l.home)
	require.NoError(t, err)
	aws, err := awsclient.Load(t.Context(), awsclient.OptionsFrom(vars))
	require.NoError(t, err)
	glue := awsclient.NewGlue(aws, vars["RECFLOW_GLUE_JOB"])
	api := apiclient.New(apiclient.Options{URL: vars["RECFLOW_API_URL"], Token: vars["RECFLOW_API_TOKEN"]})

	l.recflow("backfill", "start", "as_of", "--from", "2017-01-15", "--to", sources.DemoUntil, "--step", "27d", "--parallel", "2", "--iterations", "6", "--quiet")
	page, err := api.Backfills(t.Context(), "", 1)
	require.NoError(t, err)
	id := page.Items[0].ID
	until := func(what string, ok func(apiclient.Backfill) bool) (b apiclient.Backfill) {
		t.Helper()
		require.Eventually(t, func() bool {
			var err error
			b, err = api.Backfill(t.Context(), id, 0, 0)
			return err == nil && ok(b)
		}, 40*time.Minute, time.Second, what)
		t.Logf("%s: %+v", what, b.Count)
		return b
	}
	succeeded := func(n int) func(apiclient.Backfill) bool {
		return func(b apiclient.Backfill) bool { return b.Count.Succeeded >= n && b.Count.Running > 0 }
	}
	for n := range 2 {
		until("some windows", succeeded(1+n))
		require.NoError(t, syscall.Kill(l.pid("worker"), syscall.SIGKILL))
		faults.Inject("worker killed")
		l.recflow("up", "--quiet")
	}
	until("a training", succeeded(3))
	for run, err := range glue.Runs(t.Context()) {
		require.NoError(t, err)
		if !run.State.Over() {
			require.NoError(t, glue.Stop(t.Context(), run.ID))
			faults.Inject("training stopped")
		}
	}
	require.Positive(t, faults.Injected("training stopped"))
	until("a failed window", func(b apiclient.Backfill) bool { return b.Count.Failed == 1 })
	until("more windows", succeeded(5))
	began := time.Now()
	_, err = api.CancelBackfill(t.Context(), id)
	require.NoError(t, err)
	until("cancelled", func(b apiclient.Backfill) bool { return b.State == backfill.Cancelled })
	require.Less(t, time.Since(began), 30*time.Second)
	_, err = api.RetryBackfill(t.Context(), id)
	require.NoError(t, err)
	b := until("the end", func(b apiclient.Backfill) bool { return b.Over() })
	require.Equal(t, backfill.Succeeded, b.State, b.Error)
	require.Equal(t, 12, b.Count.Succeeded)

	trained := map[string]bool{}
	good := 0
	for run, err := range glue.Runs(t.Context()) {
		require.NoError(t, err)
		require.True(t, run.State.Over(), "Glue run %s is not stopped", run.ID)
		require.False(t, trained[run.RunID], "%s was trained twice", run.RunID)
		trained[run.RunID] = true
		if run.State.Succeeded() {
			good++
		}
	}
	require.Equal(t, 12, good, "no window that succeeded was trained again")
	out, err := l.command("backfill", "show", id, "-o", "csv").Output()
	require.NoError(t, err)
	t.Logf("the curve:\n%s", out)
}

// pid returns the process ID of a part of the stack.
func (l *loop) pid(part string) int {
	out, err := l.command("status", "-o", "json").Output()
	require.NoError(l.t, err)
	var parts []stack.PartStatus
	require.NoError(l.t, json.Unmarshal(out, &parts))
	for _, p := range parts {
		if p.Part == part {
			return p.PID
		}
	}
	l.t.Fatalf("there is no part %s", part)
	return 0
}
