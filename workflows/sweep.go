package workflows

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/backfill"
)

// Sweep is the workflow type that cleans up after terminated runs and drops
// versions that are no longer needed. It takes no argument.
const Sweep = backfill.SweepWorkflow

// SweepSchedule is the id of the sweep schedule, and the prefix of the workflow
// ids of its runs.
const SweepSchedule = "recflow-sweep"

// SweepResult is what a sweep cleaned up.
type SweepResult struct {
	CleanedUp activities.CleanUpResult `json:"cleaned_up"`
	Dropped   []int64                  `json:"dropped,omitempty"`  // versions that were pruned
	Events    int64                    `json:"events,omitempty"`   // streamed events that every version covers
	Verdicts  int64                    `json:"verdicts,omitempty"` // verdicts of streamed events
}

func sweep(ctx workflow.Context) (SweepResult, error) {
	// Ten minutes of attempts are enough: the next sweep runs soon.
	options := quickStep("stop Glue runs and drop versions whose workflow has ended")
	options.ScheduleToCloseTimeout = 10 * time.Minute
	var out SweepResult
	clean := workflow.WithActivityOptions(ctx, options)
	if err := workflow.ExecuteActivity(clean, do.CleanUp).Get(ctx, &out.CleanedUp); err != nil {
		return out, err
	}
	options.Summary = "drop versions that are no longer needed"
	var pruned activities.PruneResult
	prune := workflow.WithActivityOptions(ctx, options)
	err := workflow.ExecuteActivity(prune, do.Prune).Get(ctx, &pruned)
	out.Dropped, out.Events, out.Verdicts = pruned.Dropped, pruned.Events, pruned.Verdicts
	return out, err
}

// FirstStart returns when the first worker of this deployment started, which is
// when it created the sweep schedule.
func FirstStart(ctx context.Context, c client.Client) (time.Time, error) {
	d, err := c.ScheduleClient().GetHandle(ctx, SweepSchedule).Describe(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("describe the schedule %s: %w", SweepSchedule, err)
	}
	return d.Info.CreatedAt, nil
}

// EnsureSweep creates the sweep schedule, or sets the interval of the existing
// one. It is safe to run in several workers at the same time.
func EnsureSweep(ctx context.Context, c client.Client, taskQueue string, every time.Duration) error {
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}}
	_, err := c.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID:   SweepSchedule,
		Spec: spec,
		Action: &client.ScheduleWorkflowAction{
			ID:            SweepSchedule,
			Workflow:      Sweep,
			TaskQueue:     taskQueue,
			StaticSummary: "clean up after terminated runs",
		},
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		// A missed sweep is not started later: the next one does its work.
		CatchupWindow: time.Minute,
	})
	if err == nil {
		return nil
	}
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return fmt.Errorf("create the schedule %s: %w", SweepSchedule, err)
	}
	err = c.ScheduleClient().GetHandle(ctx, SweepSchedule).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			old := in.Description.Schedule.Spec
			if old != nil && len(old.Intervals) == 1 && old.Intervals[0].Every == every {
				return nil, temporal.ErrSkipScheduleUpdate
			}
			in.Description.Schedule.Spec = &spec
			return &client.ScheduleUpdate{Schedule: &in.Description.Schedule}, nil
		},
	})
	if err != nil {
		return fmt.Errorf("update the schedule %s: %w", SweepSchedule, err)
	}
	return nil
}
