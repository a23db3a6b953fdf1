package backfills

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.temporal.io/api/serviceerror"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

// scheduleTimeout bounds a request to Temporal's scheduler. The first schedule of a
// namespace takes seconds, because Temporal starts its scheduler there.
const scheduleTimeout = 20 * time.Second

// Deadlines of the operations: of the requests to Temporal, and of the database.
const (
	readScheduleTimeout   = temporalTimeout + scheduleTimeout + time.Second
	changeScheduleTimeout = temporalTimeout + scheduleTimeout + rest.DefaultTimeout
)

func (s *Service) scheduleRoutes() {
	tags := []string{"Schedule"}
	rest.Register(s.API, huma.Operation{OperationID: "get-schedule", Method: http.MethodGet, Path: "/schedule", Tags: tags,
		Summary:     "Show the refresh schedule and its latest runs",
		Description: "The ETag changes with the settings, also when a failed run pauses the schedule. It does not change with other runs."},
		rest.Access{Scope: apiclient.ScopeRead, Timeout: readScheduleTimeout}, s.getSchedule)
	rest.Register(s.API, huma.Operation{OperationID: "put-schedule", Method: http.MethodPut, Path: "/schedule", Tags: tags,
		Summary: "Create or update the refresh schedule",
		Description: "An absent field, also within training, keeps its value; a new schedule gets the default. An interest replaces the previous one as a whole, with its half-life. A paused schedule stays paused until paused is false. " +
			"cron replaces every, and every replaces cron. " +
			"Runs do not overlap: a run that is due while another one is running is skipped. A failed run pauses the schedule and writes the reason to its note. " +
			"Send If-None-Match: * to create the schedule, and the ETag of the GET response as If-Match to update it. The response is 428 without either, and 412 if the schedule has changed since."},
		rest.Access{Scope: apiclient.ScopeOperate, Action: "schedule.put", Timeout: changeScheduleTimeout + readScheduleTimeout}, s.putSchedule)
	rest.Register(s.API, huma.Operation{OperationID: "delete-schedule", Method: http.MethodDelete, Path: "/schedule", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary:     "Delete the refresh schedule",
		Description: "A running refresh continues. Send the ETag of the GET response as If-Match. The response is 428 without it, and 412 if the schedule has changed since."},
		rest.Access{Scope: apiclient.ScopeOperate, Action: "schedule.delete", Timeout: changeScheduleTimeout}, s.deleteSchedule)
}

type scheduleOutput struct {
	ETag string `header:"ETag"`
	Body apiclient.Schedule
}

func (s *Service) getSchedule(ctx context.Context, _ *struct{}) (*scheduleOutput, error) {
	if err := s.checkTemporal(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, scheduleTimeout)
	defer cancel()
	state, err := workflows.DescribeSchedule(ctx, s.Temporal)
	if err != nil {
		return nil, err
	}
	return &scheduleOutput{ETag: scheduleTag(state.Schedule), Body: s.describeSchedule(state)}, nil
}

type putScheduleInput struct {
	IfMatch     string `header:"If-Match" maxLength:"200"`
	IfNoneMatch string `header:"If-None-Match" maxLength:"200" doc:"* to create the schedule."`
	Body        apiclient.ScheduleChange
}

func (s *Service) putSchedule(ctx context.Context, in *putScheduleInput) (*scheduleOutput, error) {
	err := s.changeSchedule(ctx, func(ctx context.Context) error {
		return workflows.PutSchedule(ctx, s.Temporal, s.Settings.TaskQueue, func(present *workflows.Schedule) (workflows.Schedule, error) {
			if err := in.check(present); err != nil {
				return workflows.Schedule{}, err
			}
			var settings apiclient.NewSchedule
			if present != nil {
				settings = settingsOf(*present)
			}
			return newSchedule(ctx, changed(settings, in.Body))
		})
	})
	if wrong := (*serviceerror.InvalidArgument)(nil); errors.As(err, &wrong) {
		return nil, rest.Fail(http.StatusUnprocessableEntity, "invalid_request", "Temporal rejected the schedule", "check that every field of cron is in its range")
	}
	if err != nil {
		return nil, err
	}
	return s.getSchedule(ctx, nil)
}

// check returns a problem if the current schedule does not match the preconditions of
// the request.
func (in *putScheduleInput) check(present *workflows.Schedule) error {
	switch {
	case present == nil && in.IfNoneMatch == "*":
		return nil
	case present == nil && in.IfMatch == "":
		return rest.Fail(http.StatusPreconditionRequired, "if_match_required", "the request has neither If-Match nor If-None-Match", "there is no schedule: send If-None-Match: *")
	case present == nil:
		return rest.Fail(http.StatusPreconditionFailed, "stale", "the schedule was deleted since it was read", "read it again and decide again")
	case in.IfNoneMatch == "*":
		return rest.Fail(http.StatusPreconditionFailed, "stale", "a schedule already exists", "send the ETag of GET /schedule as If-Match to update it")
	}
	return rest.RequireMatch(in.IfMatch, scheduleTag(*present))
}

type deleteScheduleInput struct {
	IfMatch string `header:"If-Match" maxLength:"200"`
}

func (s *Service) deleteSchedule(ctx context.Context, in *deleteScheduleInput) (*struct{}, error) {
	err := s.changeSchedule(ctx, func(ctx context.Context) error {
		return workflows.DeleteSchedule(ctx, s.Temporal, func(present *workflows.Schedule) error {
			return rest.RequireMatch(in.IfMatch, scheduleTag(*present))
		})
	})
	return nil, err
}

// changeSchedule applies a change in Temporal inside the transaction of its audit
// entry. Temporal has no conditional update, so changes are serialized by a lock. If
// the database becomes unavailable at the commit, the change is applied without an
// audit entry, and the response is an error.
func (s *Service) changeSchedule(ctx context.Context, change func(context.Context) error) error {
	rest.SetTarget(ctx, workflows.RefreshSchedule)
	if err := s.checkTemporal(ctx); err != nil {
		return err
	}
	return s.API.Change(ctx, workflows.RefreshSchedule, func(tx *postgres.DB) error {
		if err := tx.Exclusive(ctx, workflows.RefreshSchedule); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, scheduleTimeout)
		defer cancel()
		err := change(ctx)
		if rest.TemporalUnavailable(err) || ctx.Err() != nil {
			s.Log.WarnContext(ctx, "Temporal became unreachable during a schedule change", "error", err)
			return rest.FailAfter(http.StatusServiceUnavailable, "temporal_unavailable", "Temporal timed out; it is unknown whether the schedule was changed", "check GET /schedule", rest.RetrySoon)
		}
		return err
	})
}

// scheduleTag returns the ETag of a schedule. It changes with the settings, also if
// a failed run pauses the schedule.
func scheduleTag(s workflows.Schedule) string {
	data, _ := json.Marshal(s) //nolint:errchkjson // numbers, times and texts
	sum := sha256.Sum256(data)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

// changed returns the settings after a change. Empty settings are the defaults.
func changed(n apiclient.NewSchedule, c apiclient.ScheduleChange) apiclient.NewSchedule {
	for _, name := range c.Reset {
		switch name {
		case "jitter":
			n.Jitter = ""
		case "catch_up":
			n.CatchUp = ""
		case "from":
			n.From = time.Time{}
		case "promote":
			n.Promote = nil
		case "note":
			n.Note = ""
		case "training":
			n.Training = nil
		case "interest":
			if n.Training != nil {
				n.Training.Interest, n.Training.HalfLife = nil, ""
			}
		}
	}
	if c.Cron != "" || c.Every != "" {
		n.Cron, n.Every = c.Cron, c.Every
	}
	n.Jitter = cmp.Or(c.Jitter, n.Jitter)
	n.CatchUp = cmp.Or(c.CatchUp, n.CatchUp)
	if !c.From.IsZero() {
		n.From = c.From
	}
	n.Promote = cmp.Or(c.Promote, n.Promote)
	if c.Paused != nil && !*c.Paused {
		n.Note = ""
	}
	n.Paused = cmp.Or(c.Paused, n.Paused)
	n.Note = cmp.Or(c.Note, n.Note)
	n.Training = changedTraining(n.Training, c.Training)
	return n
}

func changedTraining(t, c *apiclient.Training) *apiclient.Training {
	if t == nil || c == nil {
		return cmp.Or(c, t)
	}
	out := apiclient.Training{
		Trainer: cmp.Or(c.Trainer, t.Trainer), Rank: cmp.Or(c.Rank, t.Rank), Iterations: cmp.Or(c.Iterations, t.Iterations),
		Alpha: cmp.Or(c.Alpha, t.Alpha), Regularization: cmp.Or(c.Regularization, t.Regularization),
		RegularizationExponent: cmp.Or(c.RegularizationExponent, t.RegularizationExponent), Seed: cmp.Or(c.Seed, t.Seed),
		HalfLife: cmp.Or(c.HalfLife, t.HalfLife), Index: cmp.Or(c.Index, t.Index), AcceptGates: t.AcceptGates,
	}
	if c.AcceptGates != nil {
		out.AcceptGates = c.AcceptGates
	}
	out.Interest = t.Interest
	if c.Interest != nil {
		out.Interest, out.HalfLife = c.Interest, c.HalfLife
	}
	return &out
}

// newSchedule turns settings into a schedule.
func newSchedule(ctx context.Context, n apiclient.NewSchedule) (s workflows.Schedule, err error) {
	s = workflows.Schedule{Cron: n.Cron, CatchUp: workflows.DefaultCatchUp, Paused: n.Paused != nil && *n.Paused, Note: n.Note}
	if zero, err := time.ParseDuration(n.Jitter); err == nil && zero == 0 {
		n.Jitter = ""
	}
	for _, d := range []struct {
		name, text string
		to         *time.Duration
	}{{"every", n.Every, &s.Every}, {"jitter", n.Jitter, &s.Jitter}, {"catch_up", n.CatchUp, &s.CatchUp}} {
		if d.text == "" {
			continue
		}
		if *d.to, err = parseDuration(d.name, d.text); err != nil {
			return s, err
		}
	}
	if s.Refresh, err = trainingRequest(apiclient.NewBackfill{To: time.Now().UTC(), Training: n.Training}); err != nil {
		return s, err
	}
	s.Refresh.From, s.Refresh.Scheduled = n.From.UTC(), true
	s.Refresh.Promote = n.Promote == nil || *n.Promote
	s.Refresh.Actor = "scheduled by " + rest.PrincipalOf(ctx).Actor()
	if err := s.Validate(); err != nil {
		return s, invalid(err)
	}
	return s, nil
}

// settingsOf is the inverse of newSchedule.
func settingsOf(s workflows.Schedule) apiclient.NewSchedule {
	r := s.Refresh
	return apiclient.NewSchedule{
		Cron: s.Cron, Every: durationText(s.Every), Jitter: durationText(s.Jitter), CatchUp: durationText(s.CatchUp),
		From: r.From, Promote: &r.Promote, Paused: &s.Paused, Note: s.Note, Training: trainingOf(r),
	}
}

// describeSchedule maps a schedule to its public form.
func (s *Service) describeSchedule(state workflows.ScheduleState) apiclient.Schedule {
	out := apiclient.Schedule{
		NewSchedule: settingsOf(state.Schedule),
		Runs:        []apiclient.ScheduledRun{}, Next: []time.Time{},
		Started: state.Started, Missed: state.Missed, Skipped: state.Skipped, Overdue: state.Overdue, ChangedAt: state.Changed.UTC(),
	}
	for _, run := range state.Runs {
		out.Runs = append(out.Runs, apiclient.ScheduledRun{
			WorkflowID: run.WorkflowID, RunID: run.RunID, TemporalUI: s.Settings.WorkflowLink(run.WorkflowID, run.RunID),
			DueAt: run.Due.UTC(), StartedAt: run.Started.UTC(), Outcome: run.Outcome, Detail: run.Detail, Version: run.Version,
		})
	}
	for _, at := range state.Next {
		out.Next = append(out.Next, at.UTC())
	}
	return out
}

// trainingOf is the inverse of trainingRequest.
func trainingOf(r workflows.RefreshRequest) *apiclient.Training {
	t := &apiclient.Training{
		Trainer: cmp.Or(r.Trainer, recsys.AutoTrainer), Rank: r.Rank, Iterations: r.Iterations, Alpha: r.Alpha,
		Regularization: r.Regularization, RegularizationExponent: r.RegularizationExponent, Seed: &r.Seed,
		HalfLife: recsys.HalfLifeText(r.Interest.HalfLifeSeconds), AcceptGates: r.AcceptGates,
	}
	interest := r.Interest.Settings()
	interest.HalfLife = "" // it is that of the training
	t.Interest = &interest
	switch {
	case r.Search == nil:
		t.Index = apiclient.IndexAuto
	case r.Search.Method == recsys.HNSW:
		t.Index = apiclient.IndexHNSW
	default:
		t.Index = apiclient.IndexNone
	}
	return t
}

// durationText formats a duration for parseDuration; 0 is empty.
func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return recsys.FormatDuration(d)
}
