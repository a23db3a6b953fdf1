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

// Outcomes of a scheduled run in addition to those of a refresh.
const (
	OutcomeRunning = "running"
	OutcomeExpired = "expired" // removed by Temporal after its retention
)

// late is the delay after which a due run is overdue.
const late = time.Minute

// ScheduleState is the refresh schedule and its runs.
type ScheduleState struct {
	Schedule
	Runs    []ScheduledRun // most recent runs, newest first
	Next    []time.Time    // next due times, without jitter
	Started int            // total number of runs
	Missed  int            // runs that were prevented and not started within the catch-up window
	Skipped int            // runs that were due while another one was running
	Overdue bool           // a run is due and has not started
	Changed time.Time      // when the schedule was created or replaced
}

// ScheduledRun is a run that was started by the schedule.
type ScheduledRun struct {
	WorkflowID, RunID string
	Due, Started      time.Time
	Outcome           string
	Detail            string // outcome as a sentence; the reason of a failure
	Version           int64  // 0: no version, or still running
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
	if out.Changed.Unix() <= 0 { // the SDK turns a missing time into the Unix epoch
		out.Changed = d.Info.CreatedAt
	}
	if s.Paused {
		out.Next = nil // Temporal lists due times even for a paused schedule
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

// overdue reports whether the first due run should have started by now.
func overdue(s Schedule, next []time.Time, now time.Time) bool {
	return !s.Paused && len(next) > 0 && now.Sub(next[0]) > s.Jitter+late
}

// conclude sets the outcome of a run.
func (r *ScheduledRun) conclude(ctx context.Context, c client.Client) error {
	d, err := c.DescribeWorkflowExecution(ctx, r.WorkflowID, r.RunID)
	if missing := (*serviceerror.NotFound)(nil); errors.As(err, &missing) {
		r.Outcome = OutcomeExpired
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the outcome of run %s: %w", r.WorkflowID, err)
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
		default: // includes terminated and timed out
			r.Outcome, r.Detail = OutcomeFailed, reason(err)
		}
	}
	return nil
}

// scheduleOf reads a schedule written by Schedule.temporal.
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
		return s, fmt.Errorf("the schedule %s was not created by recflow: it does not start a refresh", RefreshSchedule)
	}
	payload, ok := action.Args[0].(*commonpb.Payload)
	if !ok {
		return s, fmt.Errorf("the schedule %s was not created by recflow: its request cannot be read", RefreshSchedule)
	}
	if err := converter.GetDefaultDataConverter().FromPayload(payload, &s.Refresh); err != nil {
		return s, fmt.Errorf("read the request of the schedule %s: %w", RefreshSchedule, err)
	}
	return s, nil
}
