package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/backfill"
)

// PlanBackfill is the workflow type that estimates what the windows of a
// backfill would read, or how many lists they would write.
const PlanBackfill = backfill.PlanWorkflow

// PlanRequest is the argument of PlanBackfill: one of its fields is set.
type PlanRequest struct {
	Trainings *activities.PlanWindowsInput `json:"trainings,omitempty"`
	Lists     *activities.PlanListsInput   `json:"lists,omitempty"`
}

// Plan is the result of PlanBackfill, with the field of the request.
type Plan struct {
	Trainings activities.PlanWindowsResult `json:"trainings,omitzero"`
	Lists     activities.PlanListsResult   `json:"lists,omitzero"`
}

func planBackfill(ctx workflow.Context, in PlanRequest) (out Plan, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:             "estimate the size of the backfill",
		StartToCloseTimeout: 30 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 2},
	})
	if in.Lists != nil {
		err = workflow.ExecuteActivity(ctx, do.PlanLists, *in.Lists).Get(ctx, &out.Lists)
		return out, err
	}
	err = workflow.ExecuteActivity(ctx, do.PlanWindows, *in.Trainings).Get(ctx, &out.Trainings)
	return out, err
}
