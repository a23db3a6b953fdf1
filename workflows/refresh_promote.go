package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/recsys"
)

// maxPromotions limits how often a version is verified again because another
// version was promoted in the meantime. After that an operator must decide.
const maxPromotions = 3

// promote makes the version live. The gates compared it with the version that
// was live then; if another version was promoted since, they are computed
// again. A version does not replace a version that was promoted during this run
// and has later events, because that would undo a newer refresh.
func (r *refresh) promote(ctx workflow.Context) error {
	if !r.request.Promote {
		r.conclude(OutcomeReady, "promotion was not requested")
		return nil
	}
	for attempt := 1; ; attempt++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if gate := held(r.verified.Gates); gate != nil {
			r.conclude(OutcomeReady, fmt.Sprintf("gate %s leaves the promotion to you: %s", gate.Gate, gate.Reason))
			return nil
		}
		if v := r.verified; v.LiveRevision != r.liveRevision && v.LiveTo.After(v.To) {
			r.conclude(OutcomeSuperseded, fmt.Sprintf("superseded: version %d, which covers events up to %s, was promoted in the meantime",
				v.LiveVersion, v.LiveTo.UTC().Format(time.RFC3339)))
			return nil
		}
		r.applyCatalog(ctx)
		err := r.requestPromotion(ctx)
		if err == nil {
			r.conclude(OutcomeLive, fmt.Sprintf("version %d is live", r.progress.Version))
			return nil
		}
		if errorType(err) != activities.Conflict || attempt == maxPromotions {
			return err
		}
		r.setDetail("another version was promoted in the meantime")
		r.enter(ctx, StageVerify)
		if err := r.verify(ctx); err != nil {
			return err
		}
		r.enter(ctx, StagePromote)
	}
}

// held returns the first result that leaves the promotion to a person, or nil.
func held(gates []recsys.GateResult) *recsys.GateResult {
	for i := range gates {
		if gates[i].Holds() {
			return &gates[i]
		}
	}
	return nil
}

// conclude records the outcome of the version.
func (r *refresh) conclude(outcome, detail string) {
	r.outcome, r.verdict = outcome, detail
	r.setDetail(detail)
}

// applyCatalog makes the current catalogs apply to the version: the training may have
// read older ones, or an override may be of an older one. If it fails, the version is
// as its training has left it, which is no reason to serve an older one.
func (r *refresh) applyCatalog(ctx workflow.Context) {
	if workflow.GetVersion(ctx, "apply-catalog", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:             "apply the imported catalogs",
		StartToCloseTimeout: 30 * time.Minute,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumAttempts: 3},
		WaitForCancellation: true, // the version may be dropped next
	})
	if err := workflow.ExecuteActivity(ctx, do.ApplyCatalog).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("failed to apply the imported catalogs", "error", err)
	}
}

// requestPromotion runs the promotion and waits for its result even if the run is
// cancelled, so that the outcome is known. The promotion takes only a moment.
func (r *refresh) requestPromotion(ctx workflow.Context) error {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	ctx = workflow.WithActivityOptions(ctx, quickStep(fmt.Sprintf("promote version %d", r.progress.Version)))
	return workflow.ExecuteActivity(ctx, do.Promote, activities.PromoteInput{
		Version:    r.progress.Version,
		IfRevision: r.verified.LiveRevision,
		Actor:      r.request.Actor,
		Reason:     "refresh " + workflow.GetInfo(ctx).WorkflowExecution.ID,
	}).Get(ctx, nil)
}

// heartbeatTimeout detects a dead worker. Steps heartbeat once a second.
const heartbeatTimeout = 10 * time.Second

// quickStep is for a step of a few statements or requests. It retries for an
// hour, so that an outage of Postgres or S3 does not lose a training. On
// cancellation a running step is awaited, so that the compensation finds what
// it did.
func quickStep(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    time.Minute,
		ScheduleToCloseTimeout: time.Hour,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
		WaitForCancellation:    true,
	}
}

// longStep is for a step that heartbeats and takes at most limit. A retry
// resumes or starts over, so attempts are unlimited; together they may take
// three times the limit. On cancellation the step learns of it by its heartbeat
// and is awaited, because it holds locks that the compensation needs.
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

// undoStep is for compensation. It retries for 15 minutes; after that the
// hourly sweep takes over. Stopping a Glue run takes one or two minutes.
func undoStep(summary string) workflow.ActivityOptions {
	return workflow.ActivityOptions{
		Summary:                summary,
		StartToCloseTimeout:    10 * time.Minute,
		ScheduleToCloseTimeout: 15 * time.Minute,
		HeartbeatTimeout:       heartbeatTimeout,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 10 * time.Second},
	}
}
