package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/recsys"
)

// Backfill is the workflow type that runs a backfill. Its
// argument is a BackfillRequest. It has no result: its outcome is recorded in
// the ledger.
const Backfill = backfill.Workflow

// BackfillRequest names a round of a backfill in the ledger.
type BackfillRequest struct {
	ID    string `json:"id"`
	Round int    `json:"round"`
}

// EventsPerWindow is the maximum number of history events per window: two steps
// and a child, with the workflow tasks between them. Temporal warns from 10,240
// events on.
const EventsPerWindow = 30

// windowsPerRun limits the history of one run.
const windowsPerRun = 200

// backfillRun is one run of Backfill.
type backfillRun struct {
	BackfillRequest
	kind    string
	request RefreshRequest             // of each training, without its range
	lists   activities.WriteListsInput // of each window of lists, without its number
	actor   string
	done    int // windows that ended in this run
	total   int
}

// runBackfill runs the windows that are pending in the ledger, several at a
// time. A failed window does not stop the others. On cancellation, running
// windows first undo their work.
func runBackfill(ctx workflow.Context, in BackfillRequest) error {
	b := &backfillRun{BackfillRequest: in}
	var plan backfill.Backfill
	start := workflow.WithActivityOptions(ctx, ledgerStep("read the ledger"))
	if err := workflow.ExecuteActivity(start, do.StartBackfill, activities.BackfillRound{ID: in.ID, Round: in.Round, Limit: windowsPerRun}).Get(ctx, &plan); err != nil {
		return b.end(ctx, cause(err, ctx.Err()))
	}
	if plan.Over() || plan.Round != in.Round {
		return nil // the round has ended, or a later one has begun
	}
	b.kind, b.actor = plan.Kind, plan.Actor
	if err := b.read(plan); err != nil {
		return b.end(ctx, err)
	}
	if plan.State == backfill.Cancelling {
		return b.end(ctx, nil)
	}
	b.total = plan.Count.Pending
	b.runWindows(ctx, plan.Windows, plan.MaxParallel)
	switch {
	case ctx.Err() == nil && plan.Count.Pending > len(plan.Windows):
		// No window is running at this point, because a child does not outlive
		// this run: once in windowsPerRun windows the backfill waits for all of
		// them (docs/decisions/0019-backfills-and-their-ledger.md).
		return workflow.NewContinueAsNewError(ctx, Backfill, in)
	case ctx.Err() == nil && b.kind == backfill.Lists:
		step := workflow.WithActivityOptions(ctx, quickStep("write the manifest"))
		return b.end(ctx, workflow.ExecuteActivity(step, do.WriteListsManifest, activities.BackfillRound{ID: in.ID, Round: in.Round}).Get(ctx, nil))
	}
	return b.end(ctx, nil)
}

// read reads the state of the backfill from the ledger.
func (b *backfillRun) read(plan backfill.Backfill) error {
	var request any = &b.request
	if plan.Kind == backfill.Lists {
		b.lists = activities.WriteListsInput{BackfillID: plan.ID, RunID: backfill.ListsRunID(plan), Windows: plan.Count.Total, Version: plan.Version}
		request = &b.lists.Settings
	}
	//workflowcheck:ignore — the same text gives the same request
	if err := json.Unmarshal(plan.Request, request); err != nil {
		return temporal.NewNonRetryableApplicationError("the request in the ledger is invalid: "+err.Error(), InvalidRequest, nil)
	}
	b.request.Promote = plan.Promote && plan.Kind == backfill.Refresh
	b.request.Evaluation = plan.Kind == backfill.AsOf
	if b.request.Evaluation {
		b.acceptOlderTraining()
	}
	return nil
}

// acceptOlderTraining accepts refusals by gates that compare a version with the live
// version: a training as of the past was trained on fewer events. Gates that
// check whether a version is sound stay in force.
func (b *backfillRun) acceptOlderTraining() {
	if b.request.AcceptGates == nil {
		b.request.AcceptGates = map[string]string{}
	}
	for _, gate := range []string{recsys.GateQuality, recsys.GateCoverage, recsys.GateHorizon} {
		if b.request.AcceptGates[gate] == "" {
			b.request.AcceptGates[gate] = "evaluation as of the past"
		}
	}
}

// runWindows runs windows, parallel of them at a time, and returns when all
// started windows have ended. As one ends, the next one starts.
func (b *backfillRun) runWindows(ctx workflow.Context, windows []backfill.Window, parallel int) {
	places := workflow.NewSemaphore(ctx, int64(max(1, parallel)))
	group := workflow.NewWaitGroup(ctx)
	for _, s := range windows {
		if places.Acquire(ctx, 1) != nil || ctx.Err() != nil {
			break // cancelled
		}
		group.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer group.Done()
			defer places.Release(1)
			b.runWindow(ctx, s)
			b.done++
			workflow.SetCurrentDetails(ctx, fmt.Sprintf("%d of %d windows have ended in this run", b.done, b.total))
		})
	}
	group.Wait(ctx)
}

// runWindow runs one window and records its outcome.
func (b *backfillRun) runWindow(ctx workflow.Context, s backfill.Window) {
	s.Attempt++
	s.WorkflowID = backfill.WindowWorkflowID(b.kind, b.ID, s)
	if b.kind == backfill.Lists {
		s.WorkflowID = workflow.GetInfo(ctx).WorkflowExecution.ID
	}
	at := activities.BackfillWindow{ID: b.ID, Kind: b.kind, Window: s}
	step := workflow.WithActivityOptions(ctx, ledgerStep(fmt.Sprintf("start window %d", s.Index)))
	var began activities.StartWindowResult
	if err := workflow.ExecuteActivity(step, do.StartWindow, at).Get(ctx, &began); err != nil {
		workflow.GetLogger(ctx).Error("failed to start a window", "window", s.Index, "error", err)
		return // stays pending; end records its outcome
	}
	if began.State != backfill.Running {
		return // no events to train on, or the round has ended
	}
	var err error
	if b.kind == backfill.Lists {
		err = b.writeLists(ctx, &at.Window)
	} else {
		err = b.train(ctx, &at.Window)
	}
	switch {
	case err == nil:
		at.Window.State = backfill.Succeeded
	case temporal.IsCanceledError(err) || ctx.Err() != nil:
		at.Window.State, at.Window.Error = backfill.Cancelled, "cancelled"
	default:
		at.Window.State, at.Window.Error = backfill.Failed, withKind(err)
	}
	// The outcome of the window is recorded even if the backfill is cancelled.
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	step = workflow.WithActivityOptions(ctx, ledgerStep(fmt.Sprintf("record window %d as %s", s.Index, at.Window.State)))
	if err := workflow.ExecuteActivity(step, do.EndWindow, at).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Error("failed to record the outcome of a window", "window", s.Index, "error", err)
	}
}

// train runs the refresh of a window, and sets its runs and its version.
func (b *backfillRun) train(ctx workflow.Context, s *backfill.Window) error {
	request := b.request
	request.From, request.To, request.Actor = s.From, s.To, b.actor
	//workflowcheck:ignore — it writes numbers and sorted keys to memory
	described := details(request)
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:          s.WorkflowID,
		StaticSummary:       fmt.Sprintf("window %d: %s", s.Index, summary(request)),
		StaticDetails:       described,
		WaitForCancellation: true,
		// If this workflow is terminated, its windows undo their work.
		ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
	}), RefreshEmbeddings, request)
	var started workflow.Execution
	if child.GetChildWorkflowExecution().Get(ctx, &started) == nil {
		s.WorkflowRunID, s.RunID = started.RunID, runID(request.To, started.RunID)
	}
	var result RefreshResult
	err := child.Get(ctx, &result)
	s.Version = result.Version
	return err
}

// writeListsLimit is for a window of many users, and a version that does not fit into
// memory.
const writeListsLimit = 24 * time.Hour

// writeLists writes the lists of a window, and sets its run and its files.
func (b *backfillRun) writeLists(ctx workflow.Context, s *backfill.Window) error {
	in := b.lists
	in.Window, in.Attempt = s.Index, s.Attempt
	s.WorkflowRunID, s.RunID, s.Version = workflow.GetInfo(ctx).WorkflowExecution.RunID, in.RunID, in.Version
	step := workflow.WithActivityOptions(ctx, longStep(writeListsLimit, fmt.Sprintf("write the lists of window %d of %d", s.Index, in.Windows)))
	var out backfill.WrittenLists
	if err := workflow.ExecuteActivity(step, do.WriteLists, in).Get(ctx, &out); err != nil {
		return err
	}
	s.Lists = &out
	return nil
}

// end records the end of the round. Failed windows do not fail the workflow:
// their outcomes are in the ledger. It fails only if its own steps fail.
func (b *backfillRun) end(ctx workflow.Context, failed error) error {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	in := activities.EndBackfillInput{ID: b.ID, Round: b.Round}
	if failed != nil && !temporal.IsCanceledError(failed) {
		in.Failure = reason(failed)
	}
	step := workflow.WithActivityOptions(ctx, ledgerStep("record the outcome"))
	var ended backfill.Backfill
	if err := workflow.ExecuteActivity(step, do.EndBackfill, in).Get(ctx, &ended); err != nil {
		return errors.Join(failed, err)
	}
	b.publishOutcome(ctx, ended)
	if ended.State == backfill.Cancelled {
		return temporal.NewCanceledError()
	}
	return failed
}

// ledgerStep is for a short database step. It retries for long, so that an
// outage does not lose the outcome.
func ledgerStep(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		Summary:             summary,
		StartToCloseTimeout: 30 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
	}
}
