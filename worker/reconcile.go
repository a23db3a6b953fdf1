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
	// staleAfter is how long a backfill must be without activity before its
	// workflow is checked. It is longer than starting a workflow takes.
	staleAfter = 10 * time.Second
	maxStale   = 100
)

// reconciler compares the ledger of backfills with Temporal. It starts
// backfills whose workflow was never started, because Temporal was unreachable
// or the API died in between, and ends backfills whose workflow is gone, which
// frees their range. It is safe to run in several workers at the same time.
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
			r.log.WarnContext(ctx, "failed to reconcile backfills", "error", err)
		}
	}
}

func (r reconciler) once(ctx context.Context) error {
	stale, err := r.ledger.StaleBackfills(ctx, staleAfter, maxStale)
	if err != nil {
		return err
	}
	var errs []error
	for _, b := range stale {
		errs = append(errs, r.settle(ctx, b))
	}
	return errors.Join(errs...)
}

// settle starts, ends or cancels one backfill as its workflow requires.
func (r reconciler) settle(ctx context.Context, b backfill.Backfill) error {
	d, err := r.temporal.DescribeWorkflowExecution(ctx, b.WorkflowID, "")
	var unknown *serviceerror.NotFound
	switch {
	case errors.As(err, &unknown) && b.State == backfill.Pending:
		r.log.InfoContext(ctx, "starting a backfill that was recorded but not started", "backfill", b.ID)
		return workflows.StartBackfill(ctx, r.temporal, r.taskQueue, b)
	case errors.As(err, &unknown):
		return r.end(ctx, b, "its workflow does not exist in Temporal")
	case err != nil:
		return fmt.Errorf("describe workflow %s: %w", b.WorkflowID, err)
	}
	status := d.GetWorkflowExecutionInfo().GetStatus()
	switch status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		run := d.GetWorkflowExecutionInfo().GetExecution().GetRunId()
		err := r.ledger.RecordHeartbeat(ctx, b.ID, b.Round, run)
		if b.State == backfill.Cancelling {
			// The process that recorded the cancellation may have died before
			// it cancelled the workflow.
			err = errors.Join(err, cancelOnce(ctx, r.temporal, b.WorkflowID))
		}
		return err
	case enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		return nil
	}
	return r.end(ctx, b, "its workflow ended without recording an outcome: "+status.String())
}

// cancelOnce cancels a workflow unless a cancellation was already requested.
func cancelOnce(ctx context.Context, temporal client.Client, workflowID string) error {
	err := temporal.CancelWorkflow(ctx, workflowID, "")
	if asked := (*serviceerror.CancellationAlreadyRequested)(nil); errors.As(err, &asked) {
		return nil
	}
	return err
}

func (r reconciler) end(ctx context.Context, b backfill.Backfill, why string) error {
	r.log.WarnContext(ctx, "ending a backfill without a running workflow", "backfill", b.ID, "reason", why)
	_, err := r.ledger.EndBackfill(ctx, b.ID, b.Round, why)
	return err
}
