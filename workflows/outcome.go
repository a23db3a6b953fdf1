package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/backfill"
)

// tell lets the world know how the refresh ended, with the error of its steps. A
// slice of a backfill is told of by its backfill: nobody wants a mail for each of
// two hundred trainings.
func (r *refresh) tell(ctx workflow.Context, err error) {
	if r.request.Evaluation {
		return
	}
	in := activities.TellOutcomeInput{
		Kind: activities.RefreshKind, Outcome: r.outcome, RunID: r.progress.RunID, Version: r.progress.Version,
		Seconds: workflow.Now(ctx).Sub(r.progress.Started).Seconds(),
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
	tellOutcome(ctx, in)
}

// tell lets the world know how the backfill ended. One of kind refresh has been
// told of by its only slice.
func (b *backfillRun) tell(ctx workflow.Context, ended backfill.Backfill) {
	if ended.Kind != backfill.AsOf || !ended.Over() || ended.Round != b.Round {
		return
	}
	in := activities.TellOutcomeInput{
		Kind: activities.BackfillKind, Outcome: ended.State, BackfillID: b.ID, Slices: &ended.Count,
		Seconds: ended.EndedAt.Sub(ended.StartedAt).Seconds(),
	}
	tellOutcome(ctx, in)
}

// tellOutcome does its best: a run does not fail, and does not wait for long,
// because nobody can be told. It works when the run is cancelled, too.
func tellOutcome(ctx workflow.Context, in activities.TellOutcomeInput) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:                "tell how it ended: " + in.Outcome,
		StartToCloseTimeout:    time.Minute, // the SDK's attempts of one call
		ScheduleToCloseTimeout: 10 * time.Minute,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
	})
	if err := workflow.ExecuteActivity(ctx, do.TellOutcome, in).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Error("the outcome could not be told", "outcome", in.Outcome, "error", err)
	}
}
