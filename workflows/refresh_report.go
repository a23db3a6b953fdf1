package workflows

import (
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/recsys"
)

// registerHandlers registers the progress query before the run does anything else.
func (r *refresh) registerHandlers(ctx workflow.Context) error {
	err := workflow.SetQueryHandlerWithOptions(ctx, ProgressQuery, func() (Progress, error) { return r.progress, nil },
		workflow.QueryHandlerOptions{Description: "progress of the refresh"})
	if err != nil {
		return err
	}
	notes := workflow.GetSignalChannelWithOptions(ctx, activities.NoteSignal, workflow.SignalChannelOptions{
		Description: "sent by the steps to report progress",
	})
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var n activities.Note
			notes.Receive(ctx, &n)
			r.applyNote(n)
			r.updateDetails(ctx)
		}
	})
	return workflow.UpsertTypedSearchAttributes(ctx, RunIDAttribute.ValueSet(r.progress.RunID))
}

// applyNote applies a note from a step to the progress.
func (r *refresh) applyNote(n activities.Note) {
	if n.GlueRunID != "" {
		r.progress.TrainDone, r.progress.TrainTotal = n.Done, n.Total
	}
	if n.Percent > 0 {
		r.progress.IndexPercent = n.Percent
	}
	if n.File > 0 {
		r.loaded(n.File-1, n.Rows)
		return
	}
	detail := n.Detail
	if n.Total > 0 {
		detail = fmt.Sprintf("%s %d of %d", detail, n.Done, n.Total)
	}
	r.setDetail(detail)
}

// enter starts a stage.
func (r *refresh) enter(ctx workflow.Context, stage string) {
	now := workflow.Now(ctx)
	r.leave(now)
	r.progress.Stage, r.progress.Detail = stage, ""
	r.progress.Stages = append(r.progress.Stages, StageProgress{Stage: stage, StartedAt: now})
	// The values have the right types, so this cannot fail.
	_ = workflow.UpsertTypedSearchAttributes(ctx, StageAttribute.ValueSet(stage))
	r.updateDetails(ctx)
}

func (r *refresh) leave(now time.Time) {
	if n := len(r.progress.Stages); n > 0 && r.progress.Stages[n-1].EndedAt.IsZero() {
		r.progress.Stages[n-1].EndedAt = now
	}
}

// setDetail replaces the detail of the current stage.
func (r *refresh) setDetail(detail string) {
	r.progress.Detail = detail
	if n := len(r.progress.Stages); n > 0 {
		r.progress.Stages[n-1].Detail = detail
	}
}

// finish records the outcome of the run and returns an error whose message
// begins with the reason.
func (r *refresh) finish(ctx workflow.Context, err error) (*RefreshResult, error) {
	switch {
	case err == nil:
	case temporal.IsCanceledError(err):
		r.outcome = OutcomeCancelled
	case errorType(err) == activities.GateRefused:
		r.outcome = OutcomeRefused
	default:
		r.outcome = OutcomeFailed
	}
	if err != nil {
		r.verdict = reason(err)
		r.setDetail(r.verdict)
		err = r.failure(err)
	}
	r.leave(workflow.Now(ctx))
	r.progress.Stage, r.progress.Detail, r.progress.Outcome = StageDone, r.verdict, r.outcome
	_ = workflow.UpsertTypedSearchAttributes(ctx, StageAttribute.ValueSet(StageDone), OutcomeAttribute.ValueSet(r.outcome))
	r.updateDetails(ctx)
	if err != nil {
		return nil, err
	}
	return &RefreshResult{
		RunID:   r.progress.RunID,
		Version: r.progress.Version,
		State:   recsys.Ready,
		Live:    r.outcome == OutcomeLive,
		Outcome: r.outcome,
		Detail:  r.verdict,
		Gates:   r.progress.Gates,
		Dropped: r.progress.Dropped,
	}, nil
}

// failure returns the error of the run. It removes the wrapping "activity
// error", so that the UI shows type and reason first.
func (r *refresh) failure(err error) error {
	if temporal.IsCanceledError(err) {
		return err
	}
	var app *temporal.ApplicationError
	if errors.As(err, &app) && app.Type() == activities.GateRefused && app.HasDetails() {
		return err // returned by verify, with the gates as details
	}
	return temporal.NewNonRetryableApplicationError(r.progress.Stage+": "+reason(err), kindOf(err), nil)
}

// withKind returns the reason of an error after its type, which the runbooks
// refer to.
func withKind(err error) string {
	if kind := errorType(err); kind != "" {
		return kind + ": " + reason(err)
	}
	return reason(err)
}

// kindOf is errorType with a default for an error without a type.
func kindOf(err error) string {
	if kind := errorType(err); kind != "" {
		return kind
	}
	return "Failed"
}

// errorType returns the Temporal type of an activity's error, or "".
func errorType(err error) string {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return app.Type()
	}
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) {
		return "TimedOut"
	}
	return ""
}

// cause returns why a run ends: the error of a step, a cancellation, or nil. If
// the run was cancelled before a failed step could be retried, the cancellation
// is the cause.
func cause(err, cancelled error) error {
	var app *temporal.ApplicationError
	final := errors.As(err, &app) && app.NonRetryable()
	if err != nil && cancelled != nil && !final {
		return cancelled
	}
	return err
}

// reason returns the part of an error that states what happened.
func reason(err error) string {
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) {
		s := "no success within the " + timeoutName(timeout.TimeoutType()) + " timeout"
		if last := errors.Unwrap(timeout); last != nil {
			s += "; last error: " + reason(last)
		}
		return s
	}
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return app.Message()
	}
	var terminated *temporal.TerminatedError
	if errors.As(err, &terminated) {
		return "terminated; the next refresh or the hourly sweep cleans up after it"
	}
	if temporal.IsCanceledError(err) {
		return "cancelled"
	}
	return err.Error()
}

func timeoutName(t enumspb.TimeoutType) string {
	switch t {
	case enumspb.TIMEOUT_TYPE_HEARTBEAT:
		return "heartbeat"
	case enumspb.TIMEOUT_TYPE_START_TO_CLOSE:
		return "start-to-close"
	case enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START:
		return "schedule-to-start"
	case enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE:
		return "schedule-to-close"
	default:
		return "unknown"
	}
}

// updateDetails updates the details of the run in the Temporal UI.
func (r *refresh) updateDetails(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, r.progress.markdown())
}

// markdown formats the progress for people.
func (p Progress) markdown() string {
	var b strings.Builder
	head := "**" + p.Stage + "**"
	if p.Outcome != "" {
		head = "**" + p.Outcome + "**"
	}
	b.WriteString(fmt.Sprintf("%s %s\n\n", head, p.Detail))
	b.WriteString(fmt.Sprintf("run `%s`", p.RunID))
	if p.GlueRunID != "" {
		b.WriteString(fmt.Sprintf(" · Glue `%s`", p.GlueRunID))
	}
	if p.Version != 0 {
		b.WriteString(fmt.Sprintf(" · version `%d`", p.Version))
	}
	b.WriteString("\n\n| stage | took | |\n|---|---|---|\n")
	for _, s := range p.Stages {
		took := "…"
		if !s.EndedAt.IsZero() {
			took = s.EndedAt.Sub(s.StartedAt).Round(100 * time.Millisecond).String()
		}
		b.WriteString(fmt.Sprintf("| %s | %s | %s |\n", s.Stage, took, cell(s.Detail)))
	}
	if len(p.Gates) > 0 {
		b.WriteString("\n| gate | | value | threshold | |\n|---|---|---|---|---|\n")
	}
	for _, g := range p.Gates {
		verdict := "passed"
		switch {
		case g.Refuses():
			verdict = "**refused**"
		case g.Accepted != "":
			verdict = "accepted: " + cell(g.Accepted)
		case g.Warning:
			verdict = "warning"
		}
		b.WriteString(fmt.Sprintf("| %s | %s | %.4g | %.4g | %s |\n", g.Gate, verdict, g.Value, g.Threshold, cell(g.Reason)))
	}
	return b.String()
}

// cell escapes a text for a table cell.
func cell(s string) string {
	s = strings.NewReplacer("\n", " ", "|", "\\|").Replace(s)
	const most = 400
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
