package workflows

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/internal/backfill"
)

// StartBackfill starts the workflow of the current round of a backfill. Each
// round has one workflow: starting it again has no effect.
func StartBackfill(ctx context.Context, c client.Client, taskQueue string, b backfill.Backfill) error {
	_, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                    b.WorkflowID,
		TaskQueue:             taskQueue,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		StaticSummary:         fmt.Sprintf("%s backfill, %d windows", b.Kind, b.Count.Total),
		// Without this the client returns the running workflow without an
		// error.
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

// AskPlan runs a workflow that estimates the sizes of a backfill's windows,
// because only workers read S3. Concurrent calls with the same id share one
// result, so id must be derived from the request.
func AskPlan(ctx context.Context, c client.Client, taskQueue, id string, in PlanRequest) (out Plan, err error) {
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       "plan-" + id,
		TaskQueue:                taskQueue,
		WorkflowExecutionTimeout: planTimeout,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, PlanBackfill, in)
	if err != nil {
		return out, fmt.Errorf("start the plan: %w", err)
	}
	if err := run.Get(ctx, &out); err != nil {
		return out, fmt.Errorf("await the plan: %w", err)
	}
	return out, nil
}

// planTimeout limits the plan workflow; clients stop waiting earlier.
const planTimeout = time.Minute
