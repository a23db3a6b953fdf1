package workflows

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/recsys"
)

// ledger is a fake of the ledger in the database with the same rules. Its
// windows take as long as a test sets.
type ledger struct {
	mu       sync.Mutex
	b        backfill.Backfill
	trained  map[string]int // workflow ids of refreshes
	now, top int            // refreshes that are running, and the maximum so far
	take     time.Duration
	fails    func(index int) bool
	empty    func(index int) bool // true for a window without events
	requests []RefreshRequest
	outcomes []activities.PublishOutcomeInput
	lists    []activities.WriteListsInput
	manifest int // calls that found all windows succeeded
}

func newLedger(kind string, n, parallel int) *ledger {
	request, _ := json.Marshal(DefaultRefresh(day(9)))
	l := &ledger{trained: map[string]int{}, take: time.Hour, fails: func(int) bool { return false }, empty: func(int) bool { return false }}
	l.b = backfill.Backfill{ID: "x", Kind: kind, State: backfill.Pending, Round: 1, MaxParallel: parallel, Request: request, Promote: true, Actor: "ops"}
	for i := range n {
		l.b.Windows = append(l.b.Windows, backfill.Window{Index: i, To: day(1).Add(time.Duration(i) * time.Hour), State: backfill.Pending})
	}
	return l
}

func (l *ledger) states() map[string]int {
	states := map[string]int{}
	for _, s := range l.b.Windows {
		states[s.State]++
	}
	return states
}

// run runs the workflow and the runs that continue it, and returns the number
// of runs and the error of the last one.
func (l *ledger) run(t *testing.T, during func(*testsuite.TestWorkflowEnvironment)) (runs int, err error) {
	t.Helper()
	for {
		runs++
		var suite testsuite.WorkflowTestSuite
		suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
		env := suite.NewTestWorkflowEnvironment()
		env.SetTestTimeout(2 * time.Minute)
		env.RegisterWorkflowWithOptions(runBackfill, workflow.RegisterOptions{Name: Backfill})
		env.RegisterWorkflowWithOptions(l.refresh, workflow.RegisterOptions{Name: RefreshEmbeddings})
		env.RegisterActivity(&activities.Activities{})
		l.mock(env)
		if during != nil {
			during(env)
		}
		env.ExecuteWorkflow(Backfill, BackfillRequest{ID: "x", Round: l.b.Round})
		require.True(t, env.IsWorkflowCompleted())
		err = env.GetWorkflowError()
		var again *workflow.ContinueAsNewError
		if !errors.As(err, &again) {
			return runs, err
		}
	}
}

func (l *ledger) mock(env *testsuite.TestWorkflowEnvironment) {
	locked := func(f func()) { l.mu.Lock(); defer l.mu.Unlock(); f() }
	env.OnActivity(do.StartBackfill, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.BackfillRound) (b backfill.Backfill, err error) {
		locked(func() {
			if l.b.State == backfill.Pending {
				l.b.State = backfill.Running
			}
			b = l.b
			b.Windows = nil
			for _, s := range l.b.Windows {
				if s.State != backfill.Pending {
					continue
				}
				if b.Count.Pending++; len(b.Windows) < in.Limit {
					b.Windows = append(b.Windows, s)
				}
			}
		})
		return b, nil
	})
	env.OnActivity(do.PublishOutcome, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.PublishOutcomeInput) error {
		locked(func() { l.outcomes = append(l.outcomes, in) })
		return nil
	})
	env.OnActivity(do.StartWindow, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.BackfillWindow) (out activities.StartWindowResult, err error) {
		locked(func() {
			s := &l.b.Windows[in.Window.Index]
			if s.State = backfill.Skipped; !l.empty(s.Index) {
				s.State, s.Attempt, s.WorkflowID = backfill.Running, in.Window.Attempt, in.Window.WorkflowID
			}
			out.State = s.State
		})
		return out, nil
	})
	env.OnActivity(do.EndWindow, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.BackfillWindow) error {
		locked(func() { l.b.Windows[in.Window.Index] = in.Window })
		return nil
	})
	env.OnActivity(do.WriteLists, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.WriteListsInput) (out backfill.WrittenLists, err error) {
		locked(func() {
			l.lists = append(l.lists, in)
			if l.fails(in.Window) {
				err = temporal.NewNonRetryableApplicationError("no version", activities.VersionGone, nil)
			}
		})
		return backfill.WrittenLists{Lists: int64(in.Window), Files: []backfill.ListFile{{Key: "k"}}}, err
	}).Maybe()
	env.OnActivity(do.WriteListsManifest, mock.Anything, mock.Anything).Return(func(context.Context, activities.BackfillRound) error {
		locked(func() {
			if l.states()[backfill.Succeeded] == len(l.b.Windows) {
				l.manifest++
			}
		})
		return nil
	}).Maybe()
	env.OnActivity(do.EndBackfill, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.EndBackfillInput) (b backfill.Backfill, err error) {
		locked(func() {
			states := l.states()
			switch {
			case l.b.State == backfill.Cancelling:
				l.b.State = backfill.Cancelled
			case in.Failure != "" || states[backfill.Failed] > 0:
				l.b.State = backfill.Failed
			default:
				l.b.State = backfill.Succeeded
			}
			b = l.b
			b.Windows = nil
		})
		return b, nil
	})
}

// refresh is a fake of the refresh workflow.
func (l *ledger) refresh(ctx workflow.Context, r RefreshRequest) (*RefreshResult, error) {
	l.mu.Lock()
	l.trained[workflow.GetInfo(ctx).WorkflowExecution.ID]++
	l.requests = append(l.requests, r)
	l.now++
	l.top = max(l.top, l.now)
	l.mu.Unlock()
	defer func() { l.mu.Lock(); defer l.mu.Unlock(); l.now-- }()
	if err := workflow.Sleep(ctx, l.take); err != nil {
		return nil, err
	}
	index := int(r.To.Sub(day(1)) / time.Hour)
	if l.fails(index) {
		return nil, temporal.NewNonRetryableApplicationError("no events", activities.DataInvalid, nil)
	}
	return &RefreshResult{Version: int64(100 + index)}, nil
}

func TestBackfill_runs_every_window_once_and_max_parallel_at_once(t *testing.T) {
	t.Parallel()
	l := newLedger(backfill.AsOf, 12, 3)
	runs, err := l.run(t, nil)
	require.NoError(t, err)
	require.Equal(t, 1, runs)
	require.Equal(t, 3, l.top)
	require.Equal(t, map[string]int{backfill.Succeeded: 12}, l.states())
	require.Equal(t, backfill.Succeeded, l.b.State)
	require.Len(t, l.trained, 12)
	require.Equal(t, 1, l.trained["evaluate-20250101T1100Z-x"])
	for _, r := range l.requests {
		require.True(t, r.Evaluation)
		require.False(t, r.Promote, "it is not promoted")
		require.Equal(t, []string{recsys.GateCoverage, recsys.GateHorizon, recsys.GateQuality}, sortedKeys(r.AcceptGates), "it accepts the gates that a training as of the past may fail")
		require.Equal(t, "ops", r.Actor)
	}
	require.Equal(t, int64(104), l.b.Windows[4].Version)
}

func TestBackfill_skips_windows_without_events(t *testing.T) {
	t.Parallel()
	l := newLedger(backfill.AsOf, 5, 2)
	l.empty = func(i int) bool { return i < 3 }
	_, err := l.run(t, nil)
	require.NoError(t, err)
	require.Equal(t, backfill.Succeeded, l.b.State)
	require.Equal(t, map[string]int{backfill.Skipped: 3, backfill.Succeeded: 2}, l.states())
	require.Len(t, l.trained, 2)
}

func TestBackfill_continues_after_a_failed_window_and_retries_only_it(t *testing.T) {
	t.Parallel()
	l := newLedger(backfill.AsOf, 5, 2)
	faults := harnesstest.CountFaults(t)
	l.fails = func(i int) bool {
		if i == 2 {
			faults.Inject("training failed")
		}
		return i == 2
	}
	_, err := l.run(t, nil)
	require.NoError(t, err, "the outcome is in the ledger")
	require.Equal(t, backfill.Failed, l.b.State)
	require.Equal(t, map[string]int{backfill.Succeeded: 4, backfill.Failed: 1}, l.states())
	require.Equal(t, "DataInvalid: no events", l.b.Windows[2].Error, "with the type of the failure")

	l.fails = func(int) bool { return false }
	l.b.State, l.b.Round, l.b.Windows[2].State = backfill.Pending, 2, backfill.Pending // as RetryBackfill
	_, err = l.run(t, nil)
	require.NoError(t, err)
	require.Equal(t, backfill.Succeeded, l.b.State)
	require.Len(t, l.trained, 6)
	require.Equal(t, 1, l.trained["evaluate-20250101T0200Z-x-a2"])
	for id, n := range l.trained {
		require.Equal(t, 1, n, id)
	}
}

func TestBackfill_stops_when_it_is_cancelled(t *testing.T) {
	t.Parallel()
	l := newLedger(backfill.AsOf, 9, 3)
	_, err := l.run(t, func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(func() {
			l.mu.Lock()
			l.b.State = backfill.Cancelling
			l.mu.Unlock()
			env.CancelWorkflow()
		}, 90*time.Minute)
	})
	require.True(t, temporal.IsCanceledError(err), err)
	require.Equal(t, map[string]int{backfill.Succeeded: 3, backfill.Cancelled: 3, backfill.Pending: 3}, l.states())
	require.Equal(t, backfill.Cancelled, l.b.State)
	require.Zero(t, l.now)
}

func TestBackfill_of_lists_writes_the_manifest_after_the_last_window(t *testing.T) {
	t.Parallel()
	l := newLedger(backfill.Lists, 250, 4)
	l.b.Version, l.b.Request = 7, json.RawMessage(`{"k":5,"category":"books"}`)
	l.b.CreatedAt, l.b.Count.Total = day(1), 250
	l.fails = func(i int) bool { return i == 3 }
	runs, err := l.run(t, nil)
	require.NoError(t, err)
	require.Equal(t, 2, runs)
	require.Equal(t, backfill.Failed, l.b.State)
	require.Equal(t, "VersionGone: no version", l.b.Windows[3].Error)
	require.Zero(t, l.manifest)
	require.Len(t, l.lists, 250)
	require.Contains(t, l.lists, activities.WriteListsInput{BackfillID: "x", RunID: "20250101T000000Z-x", Window: 4, Windows: 250, Attempt: 1, Version: 7,
		Settings: backfill.ListSettings{K: 5, Category: "books"}})

	l.fails = func(int) bool { return false }
	l.b.State, l.b.Round, l.b.Windows[3].State = backfill.Pending, 2, backfill.Pending // as RetryBackfill
	_, err = l.run(t, nil)
	require.NoError(t, err)
	require.Equal(t, backfill.Succeeded, l.b.State)
	require.Len(t, l.lists, 251, "only the failed window ran again")
	require.Equal(t, 2, l.lists[250].Attempt)
	require.Equal(t, 1, l.manifest)
	require.Equal(t, []any{int64(7), "20250101T000000Z-x", int64(3)}, []any{l.b.Windows[3].Version, l.b.Windows[3].RunID, l.b.Windows[3].Lists.Lists})
	require.Empty(t, l.trained)
	require.Equal(t, []string{backfill.Failed, backfill.Succeeded}, []string{l.outcomes[0].Outcome, l.outcomes[1].Outcome})
	require.Equal(t, []any{activities.BackfillKind, int64(7), "20250101T000000Z-x"}, []any{l.outcomes[1].Kind, l.outcomes[1].Version, l.outcomes[1].RunID})
}

func TestBackfill_of_kind_refresh_promotes(t *testing.T) {
	t.Parallel()
	l := newLedger(backfill.Refresh, 1, 1)
	_, err := l.run(t, nil)
	require.NoError(t, err)
	require.Equal(t, 1, l.trained["refresh-all-20250101-x"])
	require.True(t, l.requests[0].Promote)
	require.False(t, l.requests[0].Evaluation)
	require.Empty(t, l.requests[0].AcceptGates)
}

func TestBackfill_does_nothing_for_a_round_that_has_ended(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*ledger){
		func(l *ledger) { l.b.State = backfill.Failed },
		func(l *ledger) { l.b.State = backfill.Cancelling },
	} {
		l := newLedger(backfill.AsOf, 3, 1)
		change(l)
		_, _ = l.run(t, nil)
		require.Empty(t, l.trained)
	}
}

func TestBackfill_of_2000_windows_continues_as_new_long_before_the_limits(t *testing.T) {
	t.Parallel()
	const n = 2000
	l := newLedger(backfill.AsOf, n, 8)
	runs, err := l.run(t, nil)
	require.NoError(t, err)
	require.Equal(t, n/windowsPerRun, runs)
	require.Equal(t, map[string]int{backfill.Succeeded: n}, l.states())
	require.Len(t, l.trained, n)
	require.Equal(t, 8, l.top)
}
