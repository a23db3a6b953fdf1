package workflows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/recflow/recflow/activities"
)

// Outcomes of a scheduled run beside those of a refresh.
const (
	OutcomeRunning   = "running"
	OutcomeForgotten = "forgotten" // Temporal does not keep it any longer
)

// late is how much later than planned a run may start before it is overdue.
const late = time.Minute

// ScheduleState is the schedule of the refresh and what has come of it.
type ScheduleState struct {
	Schedule
	Runs    []ScheduledRun // the last ones, newest first
	Next    []time.Time    // when the next are due, before jitter
	Started int            // runs in all
	Missed  int            // runs that were prevented, and not made up for within the catch-up window
	Skipped int            // runs that were due while another was under way
	Overdue bool           // a run is due and has not started
	Changed time.Time      // when the schedule was made or replaced
}

// ScheduledRun is a run that the schedule started.
type ScheduledRun struct {
	WorkflowID, RunID string
	Due, Started      time.Time
	Outcome           string
	Detail            string // the outcome in words: of a failure, its reason
	Version           int64  // 0: none was made, or it is not over
}

// DescribeSchedule reads the schedule of the refresh, or returns
// recsys.ErrNotFound.
func DescribeSchedule(ctx context.Context, c client.Client) (ScheduleState, error) {
	d, err := c.ScheduleClient().GetHandle(ctx, RefreshSchedule).Describe(ctx)
	if err != nil {
		return ScheduleState{}, noSchedule(err)
	}
	s, err := scheduleOf(d.Schedule)
	if err != nil {
		return ScheduleState{}, err
	}
	out := ScheduleState{
		Schedule: s,
		Next:     d.Info.NextActionTimes,
		Started:  d.Info.NumActions,
		Missed:   d.Info.NumActionsMissedCatchupWindow,
		Skipped:  d.Info.NumActionsSkippedOverlap,
		Overdue:  overdue(s, d.Info.NextActionTimes, time.Now()),
		Changed:  d.Info.LastUpdateAt,
	}
	if out.Changed.Unix() <= 0 { // the SDK makes the epoch of no time
		out.Changed = d.Info.CreatedAt
	}
	if s.Paused {
		out.Next = nil // Temporal goes on counting
	}
	for _, a := range slices.Backward(d.Info.RecentActions) {
		run := ScheduledRun{Due: a.ScheduleTime, Started: a.ActualTime}
		if w := a.StartWorkflowResult; w != nil {
			run.WorkflowID, run.RunID = w.WorkflowID, w.FirstExecutionRunID
			if err := run.conclude(ctx, c); err != nil {
				return ScheduleState{}, err
			}
		}
		out.Runs = append(out.Runs, run)
	}
	return out, nil
}

// overdue reports whether the first of the next runs should have started.
func overdue(s Schedule, next []time.Time, now time.Time) bool {
	return !s.Paused && len(next) > 0 && now.Sub(next[0]) > s.Jitter+late
}

// conclude finds out what became of a run.
func (r *ScheduledRun) conclude(ctx context.Context, c client.Client) error {
	d, err := c.DescribeWorkflowExecution(ctx, r.WorkflowID, r.RunID)
	if missing := (*serviceerror.NotFound)(nil); errors.As(err, &missing) {
		r.Outcome = OutcomeForgotten
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask what became of run %s: %w", r.WorkflowID, err)
	}
	switch status := d.WorkflowExecutionInfo.Status; status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		r.Outcome = OutcomeRunning
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		r.Outcome = OutcomeCancelled
	default:
		var result RefreshResult
		switch err := c.GetWorkflow(ctx, r.WorkflowID, r.RunID).Get(ctx, &result); {
		case err == nil:
			r.Outcome, r.Detail, r.Version = result.Outcome, result.Detail, result.Version
		case ctx.Err() != nil:
			return ctx.Err()
		case errorType(err) == activities.GateRefused:
			r.Outcome, r.Detail = OutcomeRefused, reason(err)
		default: // terminated and timed out as well
			r.Outcome, r.Detail = OutcomeFailed, reason(err)
		}
	}
	return nil
}

// scheduleOf reads what Schedule.temporal wrote.
func scheduleOf(t client.Schedule) (s Schedule, err error) {
	if spec := t.Spec; spec != nil {
		s.Jitter = spec.Jitter
		if len(spec.Calendars) > 0 {
			s.Cron = spec.Calendars[0].Comment
		}
		if len(spec.Intervals) > 0 {
			s.Every = spec.Intervals[0].Every
		}
	}
	if t.Policy != nil {
		s.CatchUp = t.Policy.CatchupWindow
	}
	if t.State != nil {
		s.Paused, s.Note = t.State.Paused, t.State.Note
	}
	action, ok := t.Action.(*client.ScheduleWorkflowAction)
	if !ok || len(action.Args) != 1 {
		return s, fmt.Errorf("the schedule %s is not one of ours: it does not start a refresh", RefreshSchedule)
	}
	payload, ok := action.Args[0].(*commonpb.Payload)
	if !ok {
		return s, fmt.Errorf("the schedule %s is not one of ours: its request cannot be read", RefreshSchedule)
	}
	if err := converter.GetDefaultDataConverter().FromPayload(payload, &s.Refresh); err != nil {
		return s, fmt.Errorf("read the request of the schedule %s: %w", RefreshSchedule, err)
	}
	return s, nil
}
