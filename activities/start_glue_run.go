package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/recsys"
)

// StartGlueRunInput describes the training.
type StartGlueRunInput struct {
	RunID     string    `json:"run_id"`
	From      time.Time `json:"from,omitzero"`
	To        time.Time `json:"to"`
	Requested time.Time `json:"requested"` // start of the refresh; later events are not read
	recsys.Training
	Interest recsys.Interest `json:"interest"`

	// Yield lets waiting refreshes that do not yield train first.
	Yield bool `json:"yield,omitempty"`
}

// StartGlueRunResult names the run.
type StartGlueRunResult struct {
	GlueRunID string `json:"glue_run_id"`
	Adopted   bool   `json:"adopted"` // started by an earlier attempt
}

// StartGlueRun starts the training, or adopts the run that an earlier attempt
// started: Glue has no idempotency token, so it first looks for a run with the
// run id among its arguments. It adopts a run that failed only from the same
// workflow run: a refresh that was reset in Temporal trains again. While the job is at its maximum of concurrent
// runs the step fails with a retryable error; each attempt also stops runs
// whose workflow has ended, because they may occupy the job.
func (a *Activities) StartGlueRun(ctx context.Context, in StartGlueRunInput) (StartGlueRunResult, error) {
	found, err := a.Glue.FindRun(ctx, in.RunID)
	switch {
	case err == nil && (!found.State.Over() || found.State.Succeeded() || found.Owner == ownerArgument(ownerOf(ctx))):
		return StartGlueRunResult{GlueRunID: found.ID, Adopted: true}, nil
	case err != nil && !errors.Is(err, recsys.ErrNotFound):
		return StartGlueRunResult{}, a.startFailed(ctx, err)
	}
	if in.Yield {
		waiting, err := a.refreshWaits(ctx)
		if err != nil {
			return StartGlueRunResult{}, err
		}
		if waiting {
			return StartGlueRunResult{}, a.retrySoon("a waiting refresh trains first")
		}
	}
	arguments, err := a.arguments(ctx, in)
	if err != nil {
		return StartGlueRunResult{}, err
	}
	id, err := a.Glue.Start(ctx, arguments)
	if awsclient.ConcurrentRunsExceeded(err) {
		return StartGlueRunResult{}, a.busy(ctx)
	}
	if err != nil {
		return StartGlueRunResult{}, a.startFailed(ctx, err)
	}
	activity.GetLogger(ctx).Info("started a Glue run", "glue_run_id", id, "run_id", in.RunID)
	return StartGlueRunResult{GlueRunID: id}, nil
}

// maxLateWait is how long a training waits for events that have not reached the bucket.
// A margin of seconds, as in the local stack, shortens it.
const maxLateWait = 10 * time.Minute

// arguments returns the arguments of the Glue job. stored_to is relative to the
// start of the refresh and not of this attempt, so a retry requests the same
// training. So is the baseline, which is recorded once.
func (a *Activities) arguments(ctx context.Context, in StartGlueRunInput) (map[string]string, error) {
	interest, err := json.Marshal(in.Interest)
	if err != nil {
		return nil, fmt.Errorf("encode the interest: %w", err)
	}
	coverage := recsys.Coverage{To: in.To.UTC(), StoredTo: in.Requested.UTC().Add(-a.StoredMargin).Truncate(time.Microsecond)}
	baseline, err := a.Versions.StartTraining(ctx, in.RunID, ownerOf(ctx))
	if err != nil {
		return nil, err
	}
	expected, err := a.Events.StreamedSet(ctx, coverage, baseline)
	if err != nil {
		return nil, err
	}
	args := map[string]string{
		"--bucket":              a.S3.Bucket(),
		awsclient.RunIDArgument: in.RunID,
		awsclient.OwnerArgument: ownerArgument(ownerOf(ctx)),
		"--from":                in.From.UTC().Format(time.RFC3339Nano),
		"--to":                  coverage.To.Format(time.RFC3339Nano),
		"--stored_to":           coverage.StoredTo.Format(time.RFC3339Nano),
		"--baseline_version":    strconv.FormatInt(baseline.Version, 10),
		"--baseline_to":         baseline.To.UTC().Format(time.RFC3339Nano),
		"--baseline_stored_to":  baseline.StoredTo.UTC().Format(time.RFC3339Nano),
		"--expected_streamed":   strconv.FormatInt(expected.Count, 10),
		"--late_wait":           strconv.Itoa(int(min(maxLateWait, 4*a.StoredMargin).Seconds())),
		"--interest":            string(interest),
	}
	maps.Copy(args, trainingArguments(in.Training))
	memory, err := a.servingMemory(ctx)
	if err != nil {
		return nil, err
	}
	if memory > 0 {
		args["--serving_memory"] = strconv.FormatInt(memory, 10)
	}
	live, err := a.Versions.Live(ctx)
	switch {
	case err == nil:
		args["--previous_manifest"] = recsys.ManifestKey(live.Version.RunID)
	case !errors.Is(err, recsys.ErrNoLiveVersion):
		return nil, err
	}
	return args, nil
}

// trainingArguments returns the arguments for the settings that were requested. The
// job chooses the others.
func trainingArguments(t recsys.Training) map[string]string {
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	args := map[string]string{"--trainer": cmp.Or(t.Trainer, recsys.AutoTrainer), "--seed": strconv.FormatInt(t.Seed, 10)}
	for name, n := range map[string]int{"--rank": t.Rank, "--iterations": t.Iterations} {
		if n != 0 {
			args[name] = strconv.Itoa(n)
		}
	}
	for name, x := range map[string]float64{"--alpha": t.Alpha, "--regularization": t.Regularization} {
		if x != 0 {
			args[name] = number(x)
		}
	}
	if x := t.RegularizationExponent; x != nil {
		args["--regularization_exponent"] = number(*x)
	}
	return args
}

// busy stops orphaned runs and returns an error that is retried soon.
func (a *Activities) busy(ctx context.Context) error {
	if stopped, err := a.stopOrphans(ctx, a.owners()); err != nil {
		activity.GetLogger(ctx).Warn("failed to look for Glue runs without an owner", "stopped", stopped, "error", err)
	}
	return a.retrySoon("the training job is at its maximum of concurrent runs, waiting for one to end")
}

// retrySoon returns an error that is retried soon.
func (a *Activities) retrySoon(why string) error {
	return temporal.NewApplicationErrorWithOptions(why, glueBusy, temporal.ApplicationErrorOptions{
		NextRetryDelay: 3 * a.PollEvery,
		Category:       temporal.ApplicationErrorCategoryBenign,
	})
}

// waitingRefreshes finds refreshes that wait for the training job and do not
// yield, whether a user, the schedule or a backfill started them.
const waitingRefreshes = `WorkflowType = "` + backfill.RefreshWorkflow + `" AND ExecutionStatus = "Running"` +
	` AND ` + backfill.StageAttribute + ` = "` + backfill.StageStart + `" AND WorkflowId NOT STARTS_WITH "` + backfill.EvaluationPrefix + `"`

func (a *Activities) refreshWaits(ctx context.Context) (bool, error) {
	found, err := a.Temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: waitingRefreshes})
	if err != nil {
		return false, fmt.Errorf("list waiting refreshes: %w", err)
	}
	return found.Count > 0, nil
}

// startFailed separates retryable errors from permanent ones.
func (a *Activities) startFailed(ctx context.Context, err error) error {
	if ctx.Err() == nil && !awsclient.Retryable(err) {
		return temporal.NewNonRetryableApplicationError(err.Error(), GlueFailed, nil)
	}
	return err
}
