package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
)

// maxPromotions is how often a version is verified against yet another live
// version before a person has to decide.
const maxPromotions = 3

// promote makes the version live. The gates compared it with the version that
// was live then; when another one went live meanwhile they are computed again.
// A version whose events end before those of one that went live during this run
// does not take its place: it would undo a newer refresh.
func (r *refresh) promote(ctx workflow.Context) error {
	if !r.request.Promote {
		r.conclude(OutcomeReady, "promotion was not asked for")
		return nil
	}
	for attempt := 1; ; attempt++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if v := r.verified; v.LiveRevision != r.liveRevision && v.LiveTo.After(v.To) {
			r.conclude(OutcomeSuperseded, fmt.Sprintf("superseded: version %d, which covers events up to %s, went live meanwhile",
				v.LiveVersion, v.LiveTo.UTC().Format(time.RFC3339)))
			return nil
		}
		err := r.flip(ctx)
		if err == nil {
			r.conclude(OutcomeLive, fmt.Sprintf("version %d is live", r.progress.Version))
			return nil
		}
		if errorType(err) != activities.Conflict || attempt == maxPromotions {
			return err
		}
		r.say("another version went live meanwhile")
		r.enter(ctx, StageVerify)
		if err := r.verify(ctx); err != nil {
			return err
		}
		r.enter(ctx, StagePromote)
	}
}

// conclude notes what became of the version.
func (r *refresh) conclude(outcome, detail string) {
	r.outcome, r.verdict = outcome, detail
	r.say(detail)
}

// flip asks for the promotion and waits for its answer even when the run is
// cancelled meanwhile: it takes a moment, and nobody wants to wonder.
func (r *refresh) flip(ctx workflow.Context) error {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	ctx = workflow.WithActivityOptions(ctx, quickStep(fmt.Sprintf("make version %d live", r.progress.Version)))
	return workflow.ExecuteActivity(ctx, do.Promote, activities.PromoteInput{
		Version:    r.progress.Version,
		IfRevision: r.verified.LiveRevision,
		Actor:      r.request.Actor,
		Reason:     "refresh " + workflow.GetInfo(ctx).WorkflowExecution.ID,
	}).Get(ctx, nil)
}

// heartbeatTimeout finds a dead worker. Steps beat once a second.
const heartbeatTimeout = 10 * time.Second

// quickStep is for a step of a few statements or requests. An outage of Postgres
// or S3 is waited out for an hour; a training must not be lost to less. A step
// under way is waited for when the run is cancelled, so that the compensation
// finds what it did.
func quickStep(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    time.Minute,
		ScheduleToCloseTimeout: time.Hour,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
		WaitForCancellation:    true,
	}
}

// longStep is for a step that heartbeats and takes at most limit. It resumes or
// begins again, so attempts are not counted; all of them together get three
// times the limit. When the run is cancelled the step is told by its heartbeat
// and waited for: it holds locks that the compensation needs.
func longStep(limit time.Duration, summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    limit,
		ScheduleToCloseTimeout: 3 * limit,
		HeartbeatTimeout:       heartbeatTimeout,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
		WaitForCancellation:    true,
	}
}

// undoStep is for compensation: tried for a quarter of an hour, then left to the
// hourly sweep. Stopping a Glue run takes it a minute or two.
func undoStep(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    10 * time.Minute,
		ScheduleToCloseTimeout: 15 * time.Minute,
		HeartbeatTimeout:       heartbeatTimeout,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 10 * time.Second},
	}
}
