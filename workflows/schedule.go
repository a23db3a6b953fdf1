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

// RefreshSchedule is the id of the refresh schedule, and the prefix of the
// workflow ids of its runs.
const RefreshSchedule = "recflow-refresh"

// DefaultCatchUp lets a nightly refresh that an outage prevented start before
// noon.
const DefaultCatchUp = 12 * time.Hour

// Schedule configures when to refresh, and how. Runs do not overlap: a run that
// is due while another one is running is skipped. A failed run pauses the
// schedule.
type Schedule struct {
	Cron    string         // five fields, in UTC
	Every   time.Duration  // interval, if Cron is empty
	Jitter  time.Duration  // each run is delayed by a random time up to this
	CatchUp time.Duration  // a missed run is started within this time
	Refresh RefreshRequest // Scheduled: its To is the start of the run
	Paused  bool
	Note    string // reason of a pause; Temporal writes it when a run has failed
}

// cronFields matches five fields. Temporal validates their values.
var cronFields = regexp.MustCompile(`^[0-9A-Za-z*,/?-]+( [0-9A-Za-z*,/?-]+){4}$`)

// Validate returns all mistakes in the schedule.
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
		bad("the request of a schedule must not have a fixed end")
	}
	if err := s.Refresh.resolved(time.Now()).Validate(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// temporal converts the schedule to its Temporal form.
func (s Schedule) temporal(taskQueue string) client.Schedule {
	spec := &client.ScheduleSpec{Jitter: s.Jitter}
	if s.Cron != "" {
		// Temporal keeps the calendar that it derives from the fields, and the
		// comment.
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

// PutSchedule creates the refresh schedule or replaces it with the result of
// change. change gets the current schedule, or nil if there is none, and its
// error is returned. Temporal does not compare before it replaces, so callers
// that may run concurrently must take a lock.
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
		return fmt.Errorf("the schedule %s was created by another request: %w", RefreshSchedule, recsys.ErrConflict)
	}
	return err
}

// DeleteSchedule deletes the refresh schedule. A running refresh continues. may
// is called first with the current schedule, and its error is returned. Without
// a schedule the error is recsys.ErrNotFound.
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

// noSchedule translates Temporal's NotFound to recsys.ErrNotFound.
func noSchedule(err error) error {
	if missing := (*serviceerror.NotFound)(nil); errors.As(err, &missing) {
		return fmt.Errorf("no refresh is scheduled: %w", recsys.ErrNotFound)
	}
	return err
}
