package workflows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/backfill"
)

// RedeliverEvents is the workflow type that writes stored events that are not in the
// bucket there. It takes no argument. Its workflow id is RedeliverWorkflowID: one runs
// at a time.
const RedeliverEvents = backfill.RedeliverWorkflow

// RedeliverWorkflowID is the id of every run of RedeliverEvents.
const RedeliverWorkflowID = "recflow-redeliver"

func redeliverEvents(ctx workflow.Context) (out activities.RedeliverEventsResult, err error) {
	ctx = workflow.WithActivityOptions(ctx, longStep(4*time.Hour, "compare the stored events with the bucket"))
	err = workflow.ExecuteActivity(ctx, do.RedeliverEvents, activities.RedeliverEventsInput{
		Started: workflow.GetInfo(ctx).WorkflowStartTime,
	}).Get(ctx, &out)
	return out, err
}

// Redeliver starts RedeliverEvents. If it is already running, it returns that run, and
// running is true.
func Redeliver(ctx context.Context, c client.Client, taskQueue string) (runID string, running bool, err error) {
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: RedeliverWorkflowID, TaskQueue: taskQueue, StaticSummary: "write stored events that are not in the bucket",
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, RedeliverEvents)
	if already := (*serviceerror.WorkflowExecutionAlreadyStarted)(nil); errors.As(err, &already) {
		return already.RunId, true, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("start workflow %s: %w", RedeliverWorkflowID, err)
	}
	return run.GetRunID(), false, nil
}
