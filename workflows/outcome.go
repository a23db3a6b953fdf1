package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/backfill"
)

// publishOutcome publishes the outcome of the refresh. The outcome of a window of a
// backfill is published by the backfill, so that two hundred trainings send one
// message.
func (r *refresh) publishOutcome(ctx workflow.Context, err error) {
	if r.request.Evaluation {
		return
	}
	in := activities.PublishOutcomeInput{
		Kind: activities.RefreshKind, Outcome: r.outcome, RunID: r.progress.RunID, Version: r.progress.Version,
		Seconds: workflow.Now(ctx).Sub(r.progress.StartedAt).Seconds(),
	}
	if err != nil && !temporal.IsCanceledError(err) {
		in.Error = kindOf(err)
	}
	if n := len(r.progress.Stages); err != nil && n > 0 {
		in.Stage = r.progress.Stages[n-1].Stage
	}
	for _, g := range r.progress.Gates {
		if g.Refuses() {
			in.Refused = append(in.Refused, activities.RefusedGate{Gate: g.Gate, Value: g.Value, Threshold: g.Threshold, Reason: g.Reason})
		}
	}
	publish(ctx, in)
}

// publishOutcome publishes the outcome of the backfill. For a backfill of kind refresh
// its only window has done so.
func (b *backfillRun) publishOutcome(ctx workflow.Context, ended backfill.Backfill) {
	if ended.Kind == backfill.Refresh || !ended.Over() || ended.Round != b.Round {
		return
	}
	in := activities.PublishOutcomeInput{
		Kind: activities.BackfillKind, Outcome: ended.State, BackfillID: b.ID, Version: ended.Version, RunID: b.lists.RunID, Windows: &ended.Count,
		Seconds: ended.EndedAt.Sub(ended.StartedAt).Seconds(),
	}
	publish(ctx, in)
}

// publish publishes an outcome. A failure is logged and does not fail the
// run. It also works after a cancellation.
func publish(ctx workflow.Context, in activities.PublishOutcomeInput) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                "publish the outcome: " + in.Outcome,
		StartToCloseTimeout:    time.Minute, // allows the retries of the SDK within one call
		ScheduleToCloseTimeout: 10 * time.Minute,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
	})
	if err := workflow.ExecuteActivity(ctx, do.PublishOutcome, in).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Error("failed to publish the outcome", "outcome", in.Outcome, "error", err)
	}
}
