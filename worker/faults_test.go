package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/local/pgserver/pgservertest"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/temporaltest"
	"github.com/recflow/recflow/workflows"
)

func TestLoad_survives_killed_workers(t *testing.T) {
	t.Parallel()
	faults := harnesstest.CountFaults(t, workerKilled)
	s := newStage(t)
	first := s.refreshLive()
	stopReading := s.read(first.Version)

	kills, load := 2, many
	if *postgrestest.Soak {
		kills, load.files = 10, 400
	}
	s.use(load.folder(t))
	run := s.refresh(s.request())
	for range kills {
		done := s.until(run, "the load", func(p workflows.Progress) bool { return p.Stage == workflows.StageLoad }).FilesDone
		done += rand.IntN(4)
		s.until(run, "some files", func(p workflows.Progress) bool { return p.FilesDone >= done })
		harnesstest.Pause(t.Context(), time.Duration(rand.IntN(30))*time.Millisecond) // at a random point in a file
		s.killWorker(faults)
	}
	result, err := s.await(run)
	require.NoError(t, err)
	require.True(t, result.Live, result.Detail)
	stopReading(result.Version)
}

func TestLoad_survives_a_database_restart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		load   preparedRun
		block  func(*stage) func()
		middle func(*stage, client.WorkflowRun)
	}{
		{"in_the_middle_of_a_copy", many, (*stage).blockCopies, func(s *stage, run client.WorkflowRun) {
			s.until(run, "the load", func(p workflows.Progress) bool { return p.Stage == workflows.StageLoad })
			s.inTheMiddle(workflows.StageLoad)
		}},
		{"in_the_middle_of_an_index", large, func(*stage) func() { return func() {} }, func(s *stage, run client.WorkflowRun) {
			s.buildsGraph()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			faults := harnesstest.CountFaults(t)
			server := pgservertest.Server(t)
			require.NoError(t, postgres.Migrate(t.Context(), server.URL("postgres")))
			s := newStage(t, onDatabase(server.URL("postgres")))
			s.use(c.load.folder(t))
			release := c.block(s)
			run := s.refresh(s.request())
			c.middle(s, run)
			require.NoError(t, server.Stop(t.Context(), pgserver.Immediate))
			faults.Inject("Postgres crashed")
			release()
			require.NoError(t, server.Start(t.Context()))
			result, err := s.await(run)
			require.NoError(t, err)
			require.True(t, result.Live, result.Detail)
		})
	}
}

func TestTerminated_runs_are_cleaned_up(t *testing.T) {
	t.Parallel()
	parquet := func(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, ".parquet") }
	for _, c := range []struct {
		name  string
		stage string
		block func(*stage) func()
		after func(*stage)
	}{
		{"by_the_sweep_while_training", workflows.StageTrain, (*stage).hold, (*stage).sweep},
		{"by_the_sweep_while_loading", workflows.StageLoad, func(s *stage) func() { return s.reads.close(parquet) }, (*stage).sweep},
		{"by_the_next_refresh", workflows.StageTrain, (*stage).hold, func(s *stage) {
			run := s.refresh(s.request())
			// The job runs one training at a time, so a training proves that
			// the terminated run's training was stopped.
			s.until(run, "the training", func(p workflows.Progress) bool { return p.Stage == workflows.StageTrain })
			require.NoError(s.t, os.Remove(s.control+"/hold"))
			_, err := s.await(run)
			require.NoError(s.t, err)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			faults := harnesstest.CountFaults(t)
			s := newStage(t)
			release := c.block(s)
			run := s.refresh(s.request())
			s.until(run, c.stage, func(p workflows.Progress) bool { return p.Stage == c.stage })
			s.inTheMiddle(c.stage)
			require.NoError(t, s.temporal.TerminateWorkflow(t.Context(), run.GetID(), run.GetRunID(), "the test"))
			faults.Inject(workflowTerminated)
			c.after(s) // leave checks that nothing is left
			if c.name != "by_the_next_refresh" {
				release()
			}
		})
	}
}

// sweep triggers the schedule and waits until its run has completed.
func (s *stage) sweep() {
	s.t.Helper()
	schedule := s.temporal.ScheduleClient().GetHandle(s.t.Context(), workflows.SweepSchedule)
	require.NoError(s.t, schedule.Trigger(s.t.Context(), client.ScheduleTriggerOptions{}))
	var id string
	harnesstest.Eventually(s.t, "the sweep", func() bool {
		d, err := schedule.Describe(s.t.Context())
		require.NoError(s.t, err)
		if len(d.Info.RecentActions) == 0 {
			return false
		}
		id = d.Info.RecentActions[0].StartWorkflowResult.WorkflowID
		w, err := s.temporal.DescribeWorkflowExecution(s.t.Context(), id, "")
		return err == nil && w.WorkflowExecutionInfo.Status == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	})
	if *record {
		s.record(id, "")
	}
}

func TestRefresh_survives_a_restart_of_Temporal(t *testing.T) {
	t.Parallel()
	faults := harnesstest.CountFaults(t)
	// This server has no search attributes: the worker registers them.
	server, err := temporaltest.New(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { server.Stop(t) })
	s := newStage(t, onServer(server))
	release := s.hold()
	run := s.refresh(s.request())
	s.until(run, "the training", func(p workflows.Progress) bool { return p.TrainTotal > 0 })
	server.Stop(t)
	faults.Inject("Temporal stopped")
	require.NoError(t, server.Start())
	release()
	result, err := s.await(run)
	require.NoError(t, err)
	require.True(t, result.Live)
}

func TestRefresh_starts_one_training_when_the_response_is_lost(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.endpoint.Faults.LoseAnswer("StartJobRun", 1)
	s.refreshLive()
	require.Equal(t, 1, s.endpoint.Faults.Calls("StartJobRun"))
}

func TestRefresh_waits_for_another_one(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	release := s.hold()
	first := s.refresh(s.request())
	second := s.refresh(s.request())
	// The job runs one training at a time: one refresh trains, the other
	// reports that it waits.
	waiting := func(p workflows.Progress) bool { return strings.Contains(p.Detail, "waiting for one to end") }
	harnesstest.Eventually(t, "one waits", func() bool {
		a, _ := workflows.AskProgress(t.Context(), s.temporal, first.GetID(), "")
		b, _ := workflows.AskProgress(t.Context(), s.temporal, second.GetID(), "")
		return waiting(a) || waiting(b)
	})
	release()
	a, err := s.await(first)
	require.NoError(t, err)
	b, err := s.await(second)
	require.NoError(t, err)
	require.NotEqual(t, a.Version, b.Version)
	live, err := s.store.Live(t.Context())
	require.NoError(t, err)
	// The second has the later events, so it is live, whichever finished first.
	require.Equal(t, b.Version, live.Version.ID)
	require.Contains(t, []string{workflows.OutcomeLive, workflows.OutcomeSuperseded}, a.Outcome)
}

func TestWorker_hands_over_when_it_stops(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	release := s.hold()
	run := s.refresh(s.request())
	s.until(run, "the training", func(p workflows.Progress) bool { return p.TrainTotal > 0 })
	s.worker.stop()
	require.True(t, s.worker.cmd.ProcessState.Success(), s.worker.log())
	s.startWorker()
	release()
	result, err := s.await(run)
	require.NoError(t, err)
	require.True(t, result.Live)
	// The steps are handed over, so none fails with a missed heartbeat.
	for _, e := range s.failures(run) {
		require.NotEqual(t, enumspb.TIMEOUT_TYPE_HEARTBEAT, e)
	}
}

// failures lists the timeouts in the history of a run.
func (s *stage) failures(run client.WorkflowRun) (kinds []enumspb.TimeoutType) {
	events := s.temporal.GetWorkflowHistory(s.t.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(s.t, err)
		if last := e.GetActivityTaskStartedEventAttributes().GetLastFailure(); last.GetTimeoutFailureInfo() != nil {
			kinds = append(kinds, last.GetTimeoutFailureInfo().GetTimeoutType())
		}
	}
	return kinds
}

// read reads the live version continuously. It must always be complete, and
// either the first version or the last. The returned function stops the reads;
// its argument is the last version.
func (s *stage) read(first int64) (stop func(last int64)) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var wg sync.WaitGroup
	seen := map[int64]bool{}
	var failure error
	reads := 0
	wg.Go(func() {
		for ctx.Err() == nil && failure == nil {
			live, err := s.store.Live(ctx)
			if err == nil {
				seen[live.Version.ID] = true
				failure = whole(ctx, s.store, live.Version)
				reads++
			} else {
				failure = err
			}
			harnesstest.Pause(ctx, 5*time.Millisecond) // limits the load
		}
	})
	return func(last int64) {
		s.t.Helper()
		cancel()
		wg.Wait()
		if !errors.Is(failure, context.Canceled) {
			require.NoError(s.t, failure)
		}
		delete(seen, first)
		delete(seen, last)
		require.Empty(s.t, seen)
		require.Positive(s.t, reads)
	}
}

// whole returns an error when rows of a version are missing.
func whole(ctx context.Context, store *postgrestest.Store, v recsys.Version) error {
	items, users, _, err := store.CountRows(ctx, v)
	if err == nil && (items != v.Items || users != v.Users) {
		err = errors.New("incomplete version")
	}
	return err
}
