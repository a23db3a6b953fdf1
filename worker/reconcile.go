package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/workflows"
)

const (
	reconcileEvery = 10 * time.Second
	// unseenFor is how long nothing may be seen of a backfill before somebody looks
	// whether it is still being worked on: longer than starting its workflow takes.
	unseenFor = 10 * time.Second
	mostStale = 100
)

// reconciler holds the ledger of backfills against Temporal: it starts what was
// written down and never started, because Temporal was unreachable or the API died
// in between, and ends what nobody works on any more, so that it frees its range.
// Any number of workers may do so at the same time.
type reconciler struct {
	log       *slog.Logger
	ledger    *ledger.Store
	temporal  client.Client
	taskQueue string
}

// run reconciles every few seconds until ctx ends.
func (r reconciler) run(ctx context.Context) {
	tick := time.NewTicker(reconcileEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := r.once(ctx); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "backfills are not reconciled", "error", err)
		}
	}
}

func (r reconciler) once(ctx context.Context) error {
	stale, err := r.ledger.StaleBackfills(ctx, unseenFor, mostStale)
	if err != nil {
		return err
	}
	var errs []error
	for _, b := range stale {
		errs = append(errs, r.settle(ctx, b))
	}
	return errors.Join(errs...)
}

// settle does for one backfill what nobody else did.
func (r reconciler) settle(ctx context.Context, b backfill.Backfill) error {
	d, err := r.temporal.DescribeWorkflowExecution(ctx, b.WorkflowID, "")
	var unknown *serviceerror.NotFound
	switch {
	case errors.As(err, &unknown) && b.State == backfill.Pending:
		r.log.InfoContext(ctx, "starting a backfill that was written down and not started", "backfill", b.ID)
		return workflows.StartBackfill(ctx, r.temporal, r.taskQueue, b)
	case errors.As(err, &unknown):
		return r.end(ctx, b, "its workflow is unknown to Temporal")
	case err != nil:
		return fmt.Errorf("look at workflow %s: %w", b.WorkflowID, err)
	}
	status := d.GetWorkflowExecutionInfo().GetStatus()
	switch status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		run := d.GetWorkflowExecutionInfo().GetExecution().GetRunId()
		err := r.ledger.BackfillAlive(ctx, b.ID, b.Round, run)
		if b.State == backfill.Cancelling {
			// Whoever wrote that down may not have come to tell the workflow.
			err = errors.Join(err, cancelOnce(ctx, r.temporal, b.WorkflowID))
		}
		return err
	case enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		return nil
	}
	return r.end(ctx, b, "its workflow ended without it: "+status.String())
}

// cancelOnce asks a workflow to stop, unless somebody did.
func cancelOnce(ctx context.Context, temporal client.Client, workflowID string) error {
	err := temporal.CancelWorkflow(ctx, workflowID, "")
	if asked := (*serviceerror.CancellationAlreadyRequested)(nil); errors.As(err, &asked) {
		return nil
	}
	return err
}

func (r reconciler) end(ctx context.Context, b backfill.Backfill, why string) error {
	r.log.WarnContext(ctx, "ending a backfill that nobody works on", "backfill", b.ID, "reason", why)
	_, err := r.ledger.EndBackfill(ctx, b.ID, b.Round, why)
	return err
}
