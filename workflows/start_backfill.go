package workflows

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/backfill"
)

// StartBackfill starts the workflow of the present round of a backfill. Each
// round has one, once: starting it again changes nothing.
func StartBackfill(ctx context.Context, c client.Client, taskQueue string, b backfill.Backfill) error {
	_, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                    b.WorkflowID,
		TaskQueue:             taskQueue,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		StaticSummary:         fmt.Sprintf("%s backfill, %d slices", b.Kind, b.Count.Total),
		// Without this the client returns the run under way and does not say so.
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, Backfill, BackfillRequest{ID: b.ID, Round: b.Round})
	if already := (*serviceerror.WorkflowExecutionAlreadyStarted)(nil); errors.As(err, &already) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("start workflow %s: %w", b.WorkflowID, err)
	}
	return nil
}

// AskPlan asks a worker, which has S3, how large the slices of a backfill
// would be. id is the same for the same slices: those who ask at the same time
// share an answer.
func AskPlan(ctx context.Context, c client.Client, taskQueue, id string, in activities.PlanSlicesInput) (out activities.PlanSlicesResult, err error) {
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       "plan-" + id,
		TaskQueue:                taskQueue,
		WorkflowExecutionTimeout: planTimeout,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, PlanBackfill, in)
	if err != nil {
		return out, fmt.Errorf("ask for a plan: %w", err)
	}
	if err := run.Get(ctx, &out); err != nil {
		return out, fmt.Errorf("await the plan: %w", err)
	}
	return out, nil
}

// planTimeout is how long a plan may take; whoever waits for it gives up
// earlier.
const planTimeout = time.Minute
