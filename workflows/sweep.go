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

// Sweep is the workflow type that cleans up after runs that were terminated,
// and drops versions that nobody needs. It takes no argument.
const Sweep = backfill.SweepWorkflow

// SweepSchedule is the id of the schedule that starts it, and the beginning of
// the ids of its runs.
const SweepSchedule = "recflow-sweep"

// SweepResult says what a sweep found.
type SweepResult struct {
	CleanedUp activities.CleanUpResult `json:"cleaned_up"`
	Dropped   []int64                  `json:"dropped,omitempty"`  // versions that were pruned
	Events    int64                    `json:"events,omitempty"`   // of the stream, that every version covers
	Verdicts  int64                    `json:"verdicts,omitempty"` // of events of the stream
}

func sweep(ctx workflow.Context) (SweepResult, error) {
	// Ten minutes of attempts: the next sweep comes soon enough.
	options := quickStep("stop Glue runs and drop versions whose workflow is over")
	options.ScheduleToCloseTimeout = 10 * time.Minute
	var out SweepResult
	clean := workflow.WithActivityOptions(ctx, options)
	if err := workflow.ExecuteActivity(clean, do.CleanUp).Get(ctx, &out.CleanedUp); err != nil {
		return out, err
	}
	options.Summary = "drop versions that nobody needs"
	var pruned activities.PruneResult
	prune := workflow.WithActivityOptions(ctx, options)
	err := workflow.ExecuteActivity(prune, do.Prune).Get(ctx, &pruned)
	out.Dropped, out.Events, out.Verdicts = pruned.Dropped, pruned.Events, pruned.Verdicts
	return out, err
}

// FirstStart is when the first worker of this deployment started: the moment when
// it made the schedule of the sweep.
func FirstStart(ctx context.Context, c client.Client) (time.Time, error) {
	d, err := c.ScheduleClient().GetHandle(ctx, SweepSchedule).Describe(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("look at the schedule %s: %w", SweepSchedule, err)
	}
	return d.Info.CreatedAt, nil
}

// EnsureSweep makes the schedule of the sweep, or gives the one that exists the
// period. Any number of workers may do so at the same time.
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
		// A sweep that was missed is made up for by the next one.
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
