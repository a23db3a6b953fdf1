package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.temporal.io/api/serviceerror"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/vectorstore"
	"github.com/recflow/recflow/workflows"
)

// scheduleTimeout bounds the wait for Temporal. The first schedule of a namespace
// takes it seconds: it starts what runs schedules there.
const scheduleTimeout = 20 * time.Second

func (s *server) scheduleRoutes() {
	tags := []string{"Schedule"}
	route(s, huma.Operation{OperationID: "get-schedule", Method: http.MethodGet, Path: "/schedule", Tags: tags,
		Summary:     "The schedule of the refresh, and what came of its runs",
		Description: "The ETag changes with the schedule, not with its runs: a failure that pauses it changes it."},
		access{scope: scopeRead}, s.getSchedule)
	route(s, huma.Operation{OperationID: "put-schedule", Method: http.MethodPut, Path: "/schedule", Tags: tags,
		Summary: "Make the schedule of the refresh, or replace the whole of it",
		Description: "Runs do not overlap: one that is due while another is under way is skipped. A run that fails pauses the schedule and says why in its note. " +
			"Send If-None-Match: * to make the first one, and the ETag of the GET as If-Match to replace it: 428 without either, 412 when it was changed since."},
		access{scopeOperate, "schedule.put"}, s.putSchedule)
	route(s, huma.Operation{OperationID: "delete-schedule", Method: http.MethodDelete, Path: "/schedule", Tags: tags, DefaultStatus: http.StatusNoContent,
		Summary:     "End the schedule of the refresh",
		Description: "A run that is under way goes on. Send the ETag of the GET as If-Match: 428 without one, 412 when it was changed since."},
		access{scopeOperate, "schedule.delete"}, s.deleteSchedule)
}

type scheduleOutput struct {
	ETag string `header:"ETag"`
	Body apiclient.Schedule
}

func (s *server) getSchedule(ctx context.Context, _ *struct{}) (*scheduleOutput, error) {
	if err := s.temporalAnswers(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, scheduleTimeout)
	defer cancel()
	state, err := workflows.DescribeSchedule(ctx, s.temporal)
	if err != nil {
		return nil, err
	}
	return &scheduleOutput{ETag: scheduleTag(state.Schedule), Body: s.describeSchedule(state)}, nil
}

type putScheduleInput struct {
	IfMatch     string `header:"If-Match" maxLength:"200"`
	IfNoneMatch string `header:"If-None-Match" maxLength:"200" doc:"* to make the first one."`
	Body        apiclient.NewSchedule
}

func (s *server) putSchedule(ctx context.Context, in *putScheduleInput) (*scheduleOutput, error) {
	wanted, err := newSchedule(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	err = s.changeSchedule(ctx, func(ctx context.Context) error {
		return workflows.PutSchedule(ctx, s.temporal, s.config.Temporal.TaskQueue, wanted, func(present *workflows.Schedule) error {
			switch {
			case present == nil && in.IfNoneMatch == "*":
				return nil
			case present == nil && in.IfMatch == "":
				return fail(http.StatusPreconditionRequired, "if_match_required", "the request does not say which state it was decided on", "there is no schedule: send If-None-Match: *")
			case present == nil:
				return fail(http.StatusPreconditionFailed, "stale", "the schedule was deleted since you looked", "look again and decide again")
			case in.IfNoneMatch == "*":
				return fail(http.StatusPreconditionFailed, "stale", "there is a schedule already", "look at GET /schedule and decide again")
			}
			return requireMatch(in.IfMatch, scheduleTag(*present))
		})
	})
	if wrong := (*serviceerror.InvalidArgument)(nil); errors.As(err, &wrong) {
		return nil, fail(http.StatusUnprocessableEntity, "invalid_request", "Temporal does not understand the schedule", "see that every field of cron is in its range")
	}
	if err != nil {
		return nil, err
	}
	return s.getSchedule(ctx, nil)
}

type deleteScheduleInput struct {
	IfMatch string `header:"If-Match" maxLength:"200"`
}

func (s *server) deleteSchedule(ctx context.Context, in *deleteScheduleInput) (*struct{}, error) {
	err := s.changeSchedule(ctx, func(ctx context.Context) error {
		return workflows.DeleteSchedule(ctx, s.temporal, func(present *workflows.Schedule) error {
			return requireMatch(in.IfMatch, scheduleTag(*present))
		})
	})
	return nil, err
}

// changeSchedule makes a change in Temporal inside the transaction of its audit
// entry. Temporal compares nothing before it replaces, so the changes take turns.
// Should the database go away in the last moment, the change stands without its
// entry; the answer is then an error.
func (s *server) changeSchedule(ctx context.Context, change func(context.Context) error) error {
	callOf(ctx).target = workflows.RefreshSchedule
	if err := s.temporalAnswers(ctx); err != nil {
		return err
	}
	return s.change(ctx, workflows.RefreshSchedule, func(tx *vectorstore.Store) error {
		if err := tx.Exclusive(ctx, workflows.RefreshSchedule); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, scheduleTimeout)
		defer cancel()
		err := change(ctx)
		if temporalAway(err) || ctx.Err() != nil {
			slog.WarnContext(ctx, "temporal went away during a change", "error", err, "trace_id", callOf(ctx).traceID)
			return failAfter(http.StatusServiceUnavailable, "temporal_unavailable", "Temporal did not answer in time; whether the schedule was changed is not known", "look at GET /schedule", retrySoon)
		}
		return err
	})
}

// scheduleTag changes with the schedule, also when a failure pauses it.
func scheduleTag(s workflows.Schedule) string {
	data, _ := json.Marshal(s) //nolint:errchkjson // numbers, times and texts
	sum := sha256.Sum256(data)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

// newSchedule turns a request into a schedule.
func newSchedule(ctx context.Context, n apiclient.NewSchedule) (s workflows.Schedule, err error) {
	s = workflows.Schedule{Cron: n.Cron, CatchUp: workflows.DefaultCatchUp, Paused: n.Paused, Note: n.Note}
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
	s.Refresh.Actor = "scheduled by " + principalOf(ctx).actor()
	if err := s.Validate(); err != nil {
		return s, invalid(err)
	}
	return s, nil
}

// describeSchedule is what callers see of a schedule.
func (s *server) describeSchedule(state workflows.ScheduleState) apiclient.Schedule {
	r := state.Refresh
	out := apiclient.Schedule{
		NewSchedule: apiclient.NewSchedule{
			Cron: state.Cron, Every: durationText(state.Every), Jitter: durationText(state.Jitter), CatchUp: durationText(state.CatchUp),
			From: r.From, Promote: &r.Promote, Paused: state.Paused, Note: state.Note, Training: trainingOf(r),
		},
		Runs: []apiclient.ScheduledRun{}, Next: []time.Time{},
		Started: state.Started, Missed: state.Missed, Skipped: state.Skipped, Overdue: state.Overdue, ChangedAt: state.Changed.UTC(),
	}
	for _, run := range state.Runs {
		out.Runs = append(out.Runs, apiclient.ScheduledRun{
			WorkflowID: run.WorkflowID, RunID: run.RunID, TemporalUI: s.workflowLink(run.WorkflowID, run.RunID),
			DueAt: run.Due.UTC(), StartedAt: run.Started.UTC(), Outcome: run.Outcome, Detail: run.Detail, Version: run.Version,
		})
	}
	for _, at := range state.Next {
		out.Next = append(out.Next, at.UTC())
	}
	return out
}

// trainingOf is what trainingRequest makes a request of.
func trainingOf(r workflows.RefreshRequest) *apiclient.Training {
	t := &apiclient.Training{
		Rank: r.Rank, Iterations: r.Iterations, Alpha: r.Alpha, Regularization: r.Regularization, Seed: &r.Seed,
		HalfLife: "never", AcceptGates: r.AcceptGates,
	}
	if half := time.Duration(r.Interest.HalfLifeSeconds * float64(time.Second)); half > 0 {
		t.HalfLife = durationText(half)
	}
	if r.Search != nil {
		t.Search = r.Search.Method
	}
	return t
}

// durationText is a length of time as parseDuration reads it; none is empty.
func durationText(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == 0:
		return ""
	case d%day == 0:
		return idText(int64(d/day)) + "d"
	case d%time.Hour == 0:
		return idText(int64(d/time.Hour)) + "h"
	case d%time.Minute == 0:
		return idText(int64(d/time.Minute)) + "m"
	}
	return d.String()
}
