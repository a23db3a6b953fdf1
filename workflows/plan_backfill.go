package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/backfill"
)

// PlanBackfill is the workflow type that estimates what the windows of a
// backfill would read. Its argument is an activities.PlanWindowsInput, its
// result an activities.PlanWindowsResult.
const PlanBackfill = backfill.PlanWorkflow

func planBackfill(ctx workflow.Context, in activities.PlanWindowsInput) (out activities.PlanWindowsResult, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:             "estimate the events of the range",
		StartToCloseTimeout: 30 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 2},
	})
	err = workflow.ExecuteActivity(ctx, do.PlanWindows, in).Get(ctx, &out)
	return out, err
}
