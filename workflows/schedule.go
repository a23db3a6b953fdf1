package workflows

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/recflow/recflow/internal/recsys"
)

// RefreshSchedule is the id of the schedule of the refresh, and the beginning of
// the ids of its runs.
const RefreshSchedule = "recflow-refresh"

// DefaultCatchUp makes up for a nightly refresh that an outage of the night
// prevented, before noon.
const DefaultCatchUp = 12 * time.Hour

// Schedule says when to refresh, and how. Runs do not overlap: one that is due
// while another is under way is skipped. A run that fails pauses the schedule.
type Schedule struct {
	Cron    string         // five fields, in UTC; or
	Every   time.Duration  // so often
	Jitter  time.Duration  // each run starts up to so much later
	CatchUp time.Duration  // a run that was prevented is made up for within this time
	Refresh RefreshRequest // Scheduled: its end is when it starts
	Paused  bool
	Note    string // why it is paused; Temporal writes it when a run has failed
}

// cronFields are five fields. Their values are for Temporal to judge.
var cronFields = regexp.MustCompile(`^[0-9A-Za-z*,/?-]+( [0-9A-Za-z*,/?-]+){4}$`)

// Validate returns every mistake in the schedule.
func (s Schedule) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case (s.Cron == "") == (s.Every == 0):
		bad("give either cron or every")
	case s.Cron != "" && !cronFields.MatchString(s.Cron):
		bad("cron is not five fields; use minute hour day month weekday, such as 0 3 * * *")
	case s.Every != 0 && (s.Every < time.Minute || s.Every%time.Second != 0):
		bad("every is %s; use whole seconds, a minute or more", s.Every)
	}
	if s.Jitter < 0 || s.Jitter > 12*time.Hour || s.Every > 0 && s.Jitter >= s.Every {
		bad("jitter is %s; use up to 12h, and less than every", s.Jitter)
	}
	if s.CatchUp < 10*time.Second || s.CatchUp > 365*24*time.Hour {
		bad("the catch-up window is %s; use 10s to 365d", s.CatchUp)
	}
	if !s.Refresh.Scheduled || !s.Refresh.To.IsZero() {
		bad("a scheduled refresh has no fixed end")
	}
	if err := s.Refresh.resolved(time.Now()).Validate(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// temporal is the schedule as Temporal keeps it.
func (s Schedule) temporal(taskQueue string) client.Schedule {
	spec := &client.ScheduleSpec{Jitter: s.Jitter}
	if s.Cron != "" {
		// Temporal keeps the calendar that it makes of the fields, and the comment.
		spec.CronExpressions = []string{s.Cron + " # " + s.Cron}
	} else {
		spec.Intervals = []client.ScheduleIntervalSpec{{Every: s.Every}}
	}
	return client.Schedule{
		Spec: spec,
		Action: &client.ScheduleWorkflowAction{
			ID:            RefreshSchedule,
			Workflow:      RefreshEmbeddings,
			TaskQueue:     taskQueue,
			Args:          []any{s.Refresh},
			StaticSummary: "scheduled " + summary(s.Refresh),
			StaticDetails: details(s.Refresh),
		},
		Policy: &client.SchedulePolicies{
			Overlap:        enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
			CatchupWindow:  s.CatchUp,
			PauseOnFailure: true,
		},
		State: &client.ScheduleState{Paused: s.Paused, Note: s.Note},
	}
}

// PutSchedule makes the schedule of the refresh, or replaces the whole of it, with
// what change returns. change gets the present one, nil when there is none, and
// its error comes back. Temporal does not compare before it replaces: callers
// that may meet take a lock.
func PutSchedule(ctx context.Context, c client.Client, taskQueue string, change func(present *Schedule) (Schedule, error)) error {
	changed := func(present *Schedule) (Schedule, error) {
		s, err := change(present)
		if err == nil {
			err = s.Validate()
		}
		return s, err
	}
	err := c.ScheduleClient().GetHandle(ctx, RefreshSchedule).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			present, err := scheduleOf(in.Description.Schedule)
			if err != nil {
				return nil, err
			}
			s, err := changed(&present)
			if err != nil {
				return nil, err
			}
			wanted := s.temporal(taskQueue)
			return &client.ScheduleUpdate{Schedule: &wanted}, nil
		},
	})
	if missing := (*serviceerror.NotFound)(nil); !errors.As(err, &missing) {
		return err
	}
	s, err := changed(nil)
	if err != nil {
		return err
	}
	wanted := s.temporal(taskQueue)
	_, err = c.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID:             RefreshSchedule,
		Spec:           *wanted.Spec,
		Action:         wanted.Action,
		Overlap:        wanted.Policy.Overlap,
		CatchupWindow:  wanted.Policy.CatchupWindow,
		PauseOnFailure: wanted.Policy.PauseOnFailure,
		Paused:         s.Paused,
		Note:           s.Note,
	})
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return fmt.Errorf("the schedule %s was made meanwhile: %w", RefreshSchedule, recsys.ErrConflict)
	}
	return err
}

// DeleteSchedule ends the schedule of the refresh. A run that is under way goes
// on. may is asked before with the present one, and its error comes back; without a schedule the error is
// recsys.ErrNotFound.
func DeleteSchedule(ctx context.Context, c client.Client, may func(present *Schedule) error) error {
	handle := c.ScheduleClient().GetHandle(ctx, RefreshSchedule)
	d, err := handle.Describe(ctx)
	if err != nil {
		return noSchedule(err)
	}
	present, err := scheduleOf(d.Schedule)
	if err != nil {
		return err
	}
	if err := may(&present); err != nil {
		return err
	}
	return noSchedule(handle.Delete(ctx))
}

// noSchedule turns Temporal's not found into ours.
func noSchedule(err error) error {
	if missing := (*serviceerror.NotFound)(nil); errors.As(err, &missing) {
		return fmt.Errorf("no refresh is scheduled: %w", recsys.ErrNotFound)
	}
	return err
}
