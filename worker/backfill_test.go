package main

import (
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

// write writes an as_of backfill of n windows of one day each, run in descending
// order, parallel of them at a time. It does not start it.
func (s *stage) write(id string, n, parallel int) backfill.Backfill {
	s.t.Helper()
	from := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	cut, err := backfill.Cut(backfill.AsOf, from, from.AddDate(0, 0, n), 24*time.Hour)
	require.NoError(s.t, err)
	request, err := json.Marshal(workflows.DefaultRefresh(from))
	require.NoError(s.t, err)
	digest := sha256.Sum256([]byte(id))
	b := backfill.Backfill{
		ID: id, Kind: backfill.AsOf, From: from, To: from.AddDate(0, 0, n), StepSeconds: 86400, MaxParallel: parallel, Rerun: backfill.RerunMissing,
		Request: request, Actor: "test", Windows: cut,
	}
	b.WorkflowID = backfill.WorkflowID(b, 1)
	b, _, err = s.store.CreateBackfill(s.t.Context(), ledger.NewBackfill{Backfill: b, Parameters: []byte("p"), RequestDigest: digest[:]})
	require.NoError(s.t, err)
	return b
}

// ledger waits until a backfill reaches the expected state.
func (s *stage) ledger(id, what string, ok func(backfill.Backfill) bool) (b backfill.Backfill) {
	s.t.Helper()
	harnesstest.Eventually(s.t, what, func() bool {
		var err error
		b, err = s.store.Backfill(s.t.Context(), id)
		require.NoError(s.t, err)
		return ok(b)
	})
	return b
}

func over(b backfill.Backfill) bool { return b.Over() }

func (s *stage) retry(id string) {
	s.t.Helper()
	b, err := s.store.RetryBackfill(s.t.Context(), id)
	require.NoError(s.t, err)
	require.NoError(s.t, workflows.StartBackfill(s.t.Context(), s.temporal, "recflow", b))
}

func TestBackfill_trains_each_window_once_under_faults(t *testing.T) {
	t.Parallel()
	faults := harnesstest.CountFaults(t, workerKilled)
	s := newStage(t)
	bad := filepath.Join(s.control, "fail-2025-01-03")
	require.NoError(t, os.WriteFile(bad, []byte("too few events"), 0o600))
	s.writeControl("hold-2025-01-02", "")
	s.writeControl("hold-2025-01-04", "")
	b := s.write("b", 3, 1)
	require.NoError(t, workflows.StartBackfill(t.Context(), s.temporal, "recflow", b))
	require.NoError(t, workflows.StartBackfill(t.Context(), s.temporal, "recflow", b), "starting twice is starting once")

	for i, training := range []string{"hold-2025-01-02", "hold-2025-01-04"} {
		n := 2 * i
		// The job runs one training at a time: the others wait.
		b = s.ledger("b", "the window", func(b backfill.Backfill) bool { return b.Windows[n].State == backfill.Running })
		harnesstest.Eventually(t, "training of the window", func() bool { return s.trains(b.Windows[n].WorkflowID) })
		s.killWorker(faults)
		require.NoError(t, os.Remove(filepath.Join(s.control, training)))
	}
	b = s.ledger("b", "the end", over)
	require.Equal(t, backfill.Failed, b.State, b.Error)
	require.Equal(t, backfill.WindowCount{Total: 3, Succeeded: 2, Failed: 1}, b.Count)
	require.Contains(t, b.Windows[1].Error, "too few events")
	for _, i := range []int{0, 2} {
		require.NotNil(t, b.Windows[i].Metrics)
		v, err := s.store.Version(t.Context(), b.Windows[i].Version)
		require.NoError(t, err)
		require.True(t, v.Evaluation)
		require.Equal(t, b.Windows[i].RunID, v.RunID)
	}
	require.Equal(t, 3, s.trainings())

	require.NoError(t, os.Remove(bad))
	release := s.hold()
	s.retry("b")
	harnesstest.Eventually(t, "the failed window only", func() bool { return s.trainings() == 4 })
	require.Equal(t, backfill.WindowCount{Total: 3, Succeeded: 2, Running: 1}, s.ledger("b", "the ledger", func(backfill.Backfill) bool { return true }).Count)
	b, err := s.store.CancelBackfill(t.Context(), "b")
	require.NoError(t, err)
	began := time.Now()
	require.NoError(t, s.temporal.CancelWorkflow(t.Context(), b.WorkflowID, ""))
	b = s.ledger("b", "the end of the cancelled", over)
	require.Less(t, time.Since(began), 30*time.Second)
	require.Equal(t, backfill.Cancelled, b.State)
	require.Equal(t, backfill.WindowCount{Total: 3, Succeeded: 2, Cancelled: 1}, b.Count)
	for run, err := range s.glue.Runs(t.Context()) {
		require.NoError(t, err)
		require.True(t, run.State.Over(), "Glue run %s is %s", run.ID, run.State)
	}
	release()

	s.retry("b")
	b = s.ledger("b", "the end", over)
	require.Equal(t, backfill.Succeeded, b.State, b.Error)
	require.Equal(t, []int{1, 3, 1}, []int{b.Windows[0].Attempt, b.Windows[1].Attempt, b.Windows[2].Attempt})
	require.Equal(t, 5, s.trainings(), "only what failed ran again")
	var earlier []string
	for _, a := range b.Windows[1].Earlier {
		earlier = append(earlier, a.State)
	}
	require.Equal(t, []string{backfill.Failed, backfill.Cancelled}, earlier)
	require.NotEmpty(t, b.Owner)
	if *record {
		for round := range 3 {
			s.record(backfill.WorkflowID(b, round+1), "") // failed, cancelled, done
		}
	}

	d, err := s.temporal.DescribeWorkflowExecution(t.Context(), backfill.WorkflowID(b, 1), "")
	require.NoError(t, err)
	require.LessOrEqual(t, d.WorkflowExecutionInfo.HistoryLength/3, int64(workflows.EventsPerWindow))
}

func TestBackfill_accepts_refusals_of_older_trainings_only(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	c, err := pgx.Connect(t.Context(), s.url)
	require.NoError(t, err)
	defer c.Close(t.Context())
	// The events after the windows have been pruned.
	_, err = c.Exec(t.Context(), "UPDATE recflow.horizon SET occurred_before = '2025-06-01'")
	require.NoError(t, err)
	b := s.write("past", 1, 1)
	require.NoError(t, workflows.StartBackfill(t.Context(), s.temporal, "recflow", b))
	b = s.ledger("past", "the end", over)
	require.Equal(t, backfill.Succeeded, b.State, b.Windows[0].Error)
	require.NotNil(t, b.Windows[0].Metrics)

	s.use(small.changed(t, func(m *recsys.Manifest) { m.Parameters.Alpha = 4 }))
	b = s.write("unsound", 2, 1) // its range includes the range of the first, which has ended
	require.NoError(t, workflows.StartBackfill(t.Context(), s.temporal, "recflow", b))
	b = s.ledger("unsound", "the end", over)
	require.Equal(t, backfill.Failed, b.State)
	require.Equal(t, []string{backfill.Skipped, backfill.Failed}, []string{b.Windows[0].State, b.Windows[1].State})
	require.Contains(t, b.Windows[1].Error, recsys.GateFoldIn)
	require.NotContains(t, b.Windows[1].Error, recsys.GateHorizon)
	require.NotNil(t, b.Windows[1].Metrics, "it is kept for inspection")
	v, err := s.store.Version(t.Context(), b.Windows[1].Version)
	require.NoError(t, err)
	require.Equal(t, recsys.Refused, v.State)
}

func TestBackfill_skips_windows_without_events(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	require.NoError(t, s.s3.DeleteObjects(t.Context(), someEvents))
	require.NoError(t, s.s3.Put(t.Context(), "raw/interactions/dt=2025-01-03/part-0.parquet", strings.NewReader("damaged")))
	b := s.write("b", 3, 3)
	require.NoError(t, workflows.StartBackfill(t.Context(), s.temporal, "recflow", b))
	b = s.ledger("b", "the end", over)
	require.Equal(t, backfill.Succeeded, b.State, b.Error)
	require.Equal(t, backfill.WindowCount{Total: 3, Skipped: 2, Succeeded: 1}, b.Count)
	require.Equal(t, []string{backfill.NoEvents, backfill.NoEvents}, []string{b.Windows[0].Reason, b.Windows[1].Reason})
	require.Equal(t, 1, s.trainings(), "a damaged file may hold events: its training reports it")
}

// trains reports whether a refresh waits for its training.
func (s *stage) trains(workflowID string) bool {
	p, err := workflows.AskProgress(s.t.Context(), s.temporal, workflowID, "")
	return err == nil && p.Stage == workflows.StageTrain
}

// trainings counts all runs of the training job.
func (s *stage) trainings() (n int) {
	for _, err := range s.glue.Runs(s.t.Context()) {
		require.NoError(s.t, err)
		n++
	}
	return n
}

func TestBackfill_lets_the_scheduled_refresh_train_first(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	const n = 6
	for i := range n {
		s.writeControl("hold-"+time.Date(2025, 1, 2+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), "")
	}
	b := s.write("b", n, n)
	require.NoError(t, workflows.StartBackfill(t.Context(), s.temporal, "recflow", b))
	var first backfill.Window
	b = s.ledger("b", "one window to train while the others wait", func(b backfill.Backfill) bool {
		for _, window := range b.Windows {
			if window.State == backfill.Running && s.trains(window.WorkflowID) {
				first = window
			}
		}
		return first.WorkflowID != "" && b.Count.Running == n
	})
	r := workflows.DefaultRefresh(time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC))
	id := workflows.RefreshSchedule + "-2025-02-01T00:00:00Z" // as the schedule names its runs
	run, err := s.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: "recflow"}, workflows.RefreshEmbeddings, r)
	require.NoError(t, err)
	harnesstest.Eventually(t, "the refresh to wait for the job", func() bool {
		found, err := s.temporal.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Query: `RecflowStage = "start" AND WorkflowId = "` + id + `"`})
		return err == nil && found.Count == 1
	})
	require.NoError(t, os.Remove(filepath.Join(s.control, "hold-"+first.To.Format(time.DateOnly))))
	s.until(run, "the refresh to reach its training", func(p workflows.Progress) bool { return p.GlueRunID != "" })
	var owners []string
	for run, err := range s.glue.Runs(t.Context()) { // newest first
		require.NoError(t, err)
		owners = append(owners, run.Owner)
	}
	slices.Reverse(owners)
	require.GreaterOrEqual(t, len(owners), 2)
	require.Contains(t, owners[1], id, "it trained last")
	_, err = s.store.CancelBackfill(t.Context(), "b")
	require.NoError(t, err)
	require.NoError(t, s.temporal.CancelWorkflow(t.Context(), b.WorkflowID, ""))
	s.ledger("b", "the end", over)
	result, err := s.await(run)
	require.NoError(t, err)
	require.True(t, result.Live)
}

func TestReconcile_starts_recorded_backfills_and_ends_orphaned_ones(t *testing.T) {
	t.Parallel()
	faults := harnesstest.CountFaults(t, workflowTerminated)
	s := newStage(t)
	s.write("orphan", 1, 1) // the API died before it started the workflow
	b := s.ledger("orphan", "the end", over)
	require.Equal(t, backfill.Succeeded, b.State, b.Error)

	release := s.hold()
	b = s.write("terminated", 2, 1)
	require.NoError(t, workflows.StartBackfill(t.Context(), s.temporal, "recflow", b))
	harnesstest.Eventually(t, "a training", func() bool { return s.trainings() == 2 })
	require.NoError(t, s.temporal.TerminateWorkflow(t.Context(), b.WorkflowID, "", "the test"))
	faults.Inject(workflowTerminated)
	b = s.ledger("terminated", "the end", over)
	require.Equal(t, backfill.Failed, b.State)
	require.Contains(t, b.Error, "its workflow ended without recording an outcome")
	require.Zero(t, b.Count.Running+b.Count.Pending)
	s.write("next", 1, 1) // the range can be used again
	release()
	s.ledger("next", "the end", over)
}
