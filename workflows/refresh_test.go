package workflows

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/recsys"
)

// system fakes the steps. By default they succeed.
type system struct {
	env *testsuite.TestWorkflowEnvironment

	mu    sync.Mutex
	calls []string
	// on maps a step to a function that is called with it: its error makes the
	// step fail.
	on map[string]func() error

	verified activities.VerifyVersionResult
	files    int
	outcomes []activities.PublishOutcomeInput
}

var passed = []recsys.GateResult{{Gate: recsys.GateRows, Passed: true, Reason: "as many rows as in the manifest"}}

func newSystem(t *testing.T) *system {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	s := &system{
		env: suite.NewTestWorkflowEnvironment(), on: map[string]func() error{}, files: 5,
		verified: activities.VerifyVersionResult{Gates: passed, LiveRevision: 7, LiveVersion: 3, LiveTo: day(1), To: day(9)},
	}
	Register(s.env)
	s.env.RegisterActivity(&activities.Activities{})
	s.env.SetTestTimeout(30 * time.Second)
	s.mock()
	return s
}

func day(n int) time.Time { return time.Date(2025, 1, n, 0, 0, 0, 0, time.UTC) }

// step records a call and runs the test's function for it.
func (s *system) step(name string) error {
	s.mu.Lock()
	s.calls = append(s.calls, name)
	on := s.on[name]
	s.mu.Unlock()
	if on != nil {
		return on()
	}
	return nil
}

// called returns the steps so far. A step of a workflow that was canceled may still be
// running.
func (s *system) called() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// fail makes a step call on, and counts the errors that it returns. The test
// fails if it returns none.
func (s *system) fail(t *testing.T, step string, on func() error) {
	kind := step + " failed"
	faults := harnesstest.CountFaults(t, kind)
	s.on[step] = func() error {
		err := on()
		if err != nil {
			faults.Inject(kind)
		}
		return err
	}
}

func (s *system) mock() {
	any1 := mock.Anything
	s.env.OnActivity(do.Prepare, any1).Return(func(context.Context) (activities.PrepareResult, error) {
		return activities.PrepareResult{LiveRevision: 7, LoadParallel: 2}, s.step("Prepare")
	})
	s.env.OnActivity(do.StartGlueRun, any1, any1).Return(func(context.Context, activities.StartGlueRunInput) (activities.StartGlueRunResult, error) {
		return activities.StartGlueRunResult{GlueRunID: "jr_1"}, s.step("StartGlueRun")
	})
	s.env.OnActivity(do.AwaitGlueRun, any1, any1).Return(func(context.Context, activities.AwaitGlueRunInput) (activities.AwaitGlueRunResult, error) {
		return activities.AwaitGlueRunResult{Seconds: 61}, s.step("AwaitGlueRun")
	})
	s.env.OnActivity(do.ReadManifest, any1, any1).Return(func(context.Context, activities.ReadManifestInput) (activities.ReadManifestResult, error) {
		return activities.ReadManifestResult{Files: s.files, Rows: int64(10 * s.files), Dimension: 64}, s.step("ReadManifest")
	})
	s.env.OnActivity(do.CreateVersion, any1, any1).Return(func(context.Context, activities.CreateVersionInput) (activities.CreateVersionResult, error) {
		return activities.CreateVersionResult{Version: 42, Search: recsys.Search{Method: recsys.Exact}}, s.step("CreateVersion")
	})
	s.env.OnActivity(do.LoadFile, any1, any1).Return(func(_ context.Context, in activities.LoadFileInput) (activities.LoadFileResult, error) {
		return activities.LoadFileResult{Rows: 10}, s.step("LoadFile")
	})
	s.env.OnActivity(do.BuildIndexes, any1, any1).Return(func(context.Context, activities.BuildIndexesInput) error {
		return s.step("BuildIndexes")
	})
	s.env.OnActivity(do.VerifyVersion, any1, any1).Return(func(context.Context, activities.VerifyVersionInput) (activities.VerifyVersionResult, error) {
		err := s.step("VerifyVersion")
		return s.verified, err
	})
	s.env.OnActivity(do.Promote, any1, any1).Return(func(_ context.Context, in activities.PromoteInput) (activities.PromoteResult, error) {
		return activities.PromoteResult{Revision: in.IfRevision + 1}, s.step("Promote")
	})
	s.env.OnActivity(do.ApplyCatalog, any1).Return(func(context.Context) (activities.ApplyCatalogResult, error) {
		return activities.ApplyCatalogResult{Changed: 3}, s.step("ApplyCatalog")
	})
	s.env.OnActivity(do.Prune, any1).Return(func(context.Context) (activities.PruneResult, error) {
		return activities.PruneResult{Dropped: []int64{40}, Events: 7, Verdicts: 8}, s.step("Prune")
	})
	s.env.OnActivity(do.CleanUp, any1).Return(func(context.Context) (activities.CleanUpResult, error) {
		return activities.CleanUpResult{StoppedRuns: []string{"jr_0"}}, s.step("CleanUp")
	})
	s.env.OnActivity(do.PublishOutcome, any1, any1).Return(func(_ context.Context, in activities.PublishOutcomeInput) error {
		s.outcomes = append(s.outcomes, in)
		if on := s.on["PublishOutcome"]; on != nil {
			return on()
		}
		return nil
	})
	s.env.OnActivity(do.StopGlueRun, any1, any1).Return(func(context.Context, activities.StopGlueRunInput) (activities.StopGlueRunResult, error) {
		return activities.StopGlueRunResult{GlueRunID: "jr_1"}, s.step("StopGlueRun")
	})
	s.env.OnActivity(do.DropVersion, any1, any1).Return(func(context.Context, activities.DropVersionInput) (activities.DropVersionResult, error) {
		return activities.DropVersionResult{Version: 42}, s.step("DropVersion")
	})
}

// refresh runs a whole refresh.
func (s *system) refresh(t *testing.T, r RefreshRequest) (result RefreshResult, err error) {
	t.Helper()
	s.env.ExecuteWorkflow(RefreshEmbeddings, r)
	require.True(t, s.env.IsWorkflowCompleted())
	if err := s.env.GetWorkflowError(); err != nil {
		return result, err
	}
	require.NoError(t, s.env.GetWorkflowResult(&result))
	return result, nil
}

// requireFailure runs a refresh that must fail with an error of this type.
func (s *system) requireFailure(t *testing.T, kind string) *temporal.ApplicationError {
	t.Helper()
	_, err := s.refresh(t, DefaultRefresh(day(9)))
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, kind, app.Type(), app.Message())
	require.True(t, app.NonRetryable())
	return app
}

func (s *system) progress(t *testing.T) (p Progress) {
	t.Helper()
	answer, err := s.env.QueryWorkflow(ProgressQuery)
	require.NoError(t, err)
	require.NoError(t, answer.Get(&p))
	return p
}

func fails(kind, message string) func() error {
	return func() error { return temporal.NewNonRetryableApplicationError(message, kind, nil) }
}

func TestRefresh_runs_all_stages(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	result, err := s.refresh(t, DefaultRefresh(day(9)))
	require.NoError(t, err)
	require.Equal(t, []string{"Prepare", "StartGlueRun", "AwaitGlueRun", "ReadManifest", "CreateVersion",
		"LoadFile", "LoadFile", "LoadFile", "LoadFile", "LoadFile", "BuildIndexes", "VerifyVersion", "ApplyCatalog", "Promote", "Prune"}, s.called())
	require.EqualValues(t, 42, result.Version)
	require.True(t, result.Live)
	require.Equal(t, OutcomeLive, result.Outcome)
	require.Equal(t, "version 42 is live", result.Detail)
	require.Equal(t, []int64{40}, result.Dropped)

	p := s.progress(t)
	require.Equal(t, StageDone, p.Stage)
	require.Equal(t, 5, p.FilesDone)
	require.EqualValues(t, 50, p.RowsLoaded)
	require.Equal(t, result.RunID, p.RunID)
	for _, stage := range p.Stages {
		require.False(t, stage.EndedAt.IsZero(), stage.Stage)
	}
	require.Equal(t, "dropped 1 versions, and of the stream 7 events and 8 verdicts", p.Stages[len(p.Stages)-1].Detail)
}

func TestRefresh_loads_a_few_files_at_a_time(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.files = 20
	var now, most atomic.Int64
	both := make(chan struct{})
	s.on["LoadFile"] = func() error {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		// Both loads must run at the same time, which proves the configured
		// parallelism.
		select {
		case both <- struct{}{}:
		case <-both:
		}
		return nil
	}
	_, err := s.refresh(t, DefaultRefresh(day(9)))
	require.NoError(t, err)
	require.EqualValues(t, 2, most.Load())
}

func TestRefresh_ends_with_the_reason_of_a_refusal(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.verified.Refused = true
	s.verified.Gates = append([]recsys.GateResult{}, passed[0],
		recsys.GateResult{Gate: recsys.GateQuality, Value: 0.18, Threshold: 0.2, Reason: "nDCG@100 is below popularity"})
	err := s.requireFailure(t, activities.GateRefused)
	require.Contains(t, err.Message(), "version 42 is refused: gate quality (value 0.18, threshold 0.2): nDCG@100 is below popularity")
	var refused []recsys.GateResult
	require.NoError(t, err.Details(&refused))
	require.Equal(t, s.verified.Gates[1:], refused)
	require.Equal(t, OutcomeRefused, s.progress(t).Outcome)
	require.NotContains(t, s.called(), "DropVersion", "the version is kept for inspection")
	require.NotContains(t, s.called(), "Promote")
}

func TestRefresh_undoes_incomplete_work(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		step, kind string
		undone     []string
	}{
		{"Prepare", "Broken", nil},
		{"StartGlueRun", activities.GlueFailed, []string{"StopGlueRun"}},
		{"AwaitGlueRun", activities.DataInvalid, []string{"StopGlueRun"}},
		{"ReadManifest", activities.ManifestInvalid, nil},
		{"CreateVersion", activities.Conflict, []string{"DropVersion"}},
		{"LoadFile", activities.ManifestInvalid, []string{"DropVersion"}},
		{"BuildIndexes", activities.VersionGone, []string{"DropVersion"}},
		{"VerifyVersion", "Broken", []string{"DropVersion"}},
		{"Promote", activities.GateRefused, nil},
	} {
		t.Run(c.step+"_failed", func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			s.fail(t, c.step, fails(c.kind, "the error"))
			require.Contains(t, s.requireFailure(t, c.kind).Message(), "the error")
			require.Equal(t, c.undone, s.undone())
		})
		t.Run(c.step+"_cancelled", func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			var once sync.Once
			if c.step == "Promote" {
				s.on[c.step] = func() error { once.Do(s.env.CancelWorkflow); return nil }
			} else {
				s.fail(t, c.step, func() error { once.Do(s.env.CancelWorkflow); return context.Canceled })
			}
			result, err := s.refresh(t, DefaultRefresh(day(9)))
			require.Equal(t, c.undone, s.undone())
			if c.step == "Promote" {
				require.NoError(t, err, "a promotion that has begun completes")
				require.True(t, result.Live)
				return
			}
			require.True(t, temporal.IsCanceledError(err), "%v", err)
			require.Equal(t, OutcomeCancelled, s.progress(t).Outcome)
		})
	}
}

func TestCause_is_the_cancellation_when_a_step_was_retryable(t *testing.T) {
	t.Parallel()
	busy := temporal.NewApplicationError("busy", "GlueBusy")
	final := temporal.NewNonRetryableApplicationError("row 3", activities.ManifestInvalid, nil)
	require.Equal(t, workflow.ErrCanceled, cause(busy, workflow.ErrCanceled))
	require.Equal(t, final, cause(final, workflow.ErrCanceled))
	require.Equal(t, busy, cause(busy, nil))
	require.NoError(t, cause(nil, workflow.ErrCanceled), "the training finished despite the cancellation")
}

// undone returns the compensations that ran.
func (s *system) undone() (calls []string) {
	for _, c := range s.called() {
		if c == "StopGlueRun" || c == "DropVersion" {
			calls = append(calls, c)
		}
	}
	return calls
}

func TestRefresh_fails_with_its_reason_when_the_compensation_fails(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.fail(t, "LoadFile", fails(activities.ManifestInvalid, "row 3"))
	s.fail(t, "DropVersion", fails("Broken", "no database"))
	require.Contains(t, s.requireFailure(t, activities.ManifestInvalid).Message(), "load: row 3")
}

func TestRefresh_compares_again_when_another_version_went_live(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	promotions := 0
	s.fail(t, "Promote", func() error {
		if promotions++; promotions == 1 {
			return temporal.NewNonRetryableApplicationError("moved", activities.Conflict, nil)
		}
		return nil
	})
	result, err := s.refresh(t, DefaultRefresh(day(9)))
	require.NoError(t, err)
	require.True(t, result.Live)
	require.Equal(t, []string{"VerifyVersion", "ApplyCatalog", "Promote", "VerifyVersion", "ApplyCatalog", "Promote", "Prune"}, s.called()[len(s.called())-7:])
}

func TestRefresh_fails_after_repeated_promotions_of_others(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.fail(t, "Promote", fails(activities.Conflict, "moved"))
	s.requireFailure(t, activities.Conflict)
	require.Empty(t, s.undone(), "the version is ready, and is kept")
}

func TestRefresh_leaves_an_undecided_promotion_to_a_person(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	weak := recsys.GateResult{Gate: recsys.GateQuality, Passed: true, Warning: true, Undecided: true, Reason: "7 users are under 30"}
	s.verified.Gates = append([]recsys.GateResult{}, passed[0], weak)
	result, err := s.refresh(t, DefaultRefresh(day(9)))
	require.NoError(t, err)
	require.False(t, result.Live)
	require.Equal(t, OutcomeReady, result.Outcome)
	require.Equal(t, "gate quality leaves the promotion to you: 7 users are under 30", result.Detail)
	require.NotContains(t, s.called(), "Promote")

	s = newSystem(t)
	weak.Accepted = "looked at the lists"
	s.verified.Gates = append([]recsys.GateResult{}, passed[0], weak)
	result, err = s.refresh(t, DefaultRefresh(day(9)))
	require.NoError(t, err)
	require.True(t, result.Live)
}

func TestRefresh_does_not_undo_a_newer_one(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.verified.LiveRevision, s.verified.LiveVersion, s.verified.LiveTo = 8, 43, day(10)
	result, err := s.refresh(t, DefaultRefresh(day(9)))
	require.NoError(t, err)
	require.False(t, result.Live)
	require.Equal(t, OutcomeSuperseded, result.Outcome)
	require.Contains(t, result.Detail, "version 43")
	require.NotContains(t, s.called(), "Promote")
}

func TestRefresh_trains_on_an_older_range_on_request(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.verified.LiveTo = day(20) // was live before the run started
	result, err := s.refresh(t, DefaultRefresh(day(9)))
	require.NoError(t, err)
	require.True(t, result.Live)
}

func TestRefresh_leaves_a_failed_prune_to_the_sweep(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.fail(t, "Prune", fails("Broken", "in use"))
	result, err := s.refresh(t, DefaultRefresh(day(9)))
	require.NoError(t, err)
	require.True(t, result.Live)
}

func TestRefresh_rejects_an_invalid_request(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	_, err := s.refresh(t, RefreshRequest{AcceptGates: map[string]string{"beauty": ""}})
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, InvalidRequest, app.Type())
	require.Contains(t, app.Message(), `gate "beauty" does not exist`)
	require.Empty(t, s.called())
}

func TestRefresh_reports_the_progress_of_steps(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	var training, loading, indexing Progress
	ask := func(p *Progress, n activities.Note) func() error {
		return func() error {
			asked := make(chan struct{})
			s.env.SignalWorkflow(activities.NoteSignal, n)
			s.env.RegisterDelayedCallback(func() {
				*p = s.progress(t)
				close(asked)
			}, time.Millisecond)
			<-asked
			return nil
		}
	}
	s.files = 1
	s.on["AwaitGlueRun"] = ask(&training, activities.Note{GlueRunID: "jr_1", Detail: "train", Done: 3, Total: 12})
	s.on["LoadFile"] = ask(&loading, activities.Note{Detail: "copy", File: 1, Rows: 4})
	s.on["BuildIndexes"] = ask(&indexing, activities.Note{Detail: "items_embedding 55 %", Percent: 55})
	_, err := s.refresh(t, DefaultRefresh(day(9)))
	require.NoError(t, err)
	require.Equal(t, "train 3 of 12", training.Detail)
	require.Equal(t, 12, training.TrainTotal)
	require.EqualValues(t, 4, loading.RowsLoaded)
	require.InDelta(t, 55, indexing.IndexPercent, 0)
	require.EqualValues(t, 10, s.progress(t).RowsLoaded, "the note of a file and its result are not added up")
}

func TestSweep_cleans_up_and_prunes(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.env.ExecuteWorkflow(Sweep)
	var result SweepResult
	require.NoError(t, s.env.GetWorkflowResult(&result))
	require.Equal(t, []string{"CleanUp", "Prune"}, s.called())
	require.Equal(t, []string{"jr_0"}, result.CleanedUp.StoppedRuns)
	require.Equal(t, []int64{40}, result.Dropped)
	require.EqualValues(t, 7, result.Events)
	require.EqualValues(t, 8, result.Verdicts)
}

func TestReason_includes_the_last_error(t *testing.T) {
	t.Parallel()
	require.Equal(t, "cancelled", reason(workflow.ErrCanceled))
	require.Equal(t, "no database", reason(fmt.Errorf("load: %w", temporal.NewApplicationError("no database", ""))))
	require.Equal(t, "plain", reason(errors.New("plain")))
}
