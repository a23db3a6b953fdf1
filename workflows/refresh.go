package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/recsys"
)

// InvalidRequest is the Temporal error type of an invalid request.
const InvalidRequest = "InvalidRequest"

// do references the activities by method, so a wrong name does not compile.
var do *activities.Activities

// refresh is one run of RefreshEmbeddings.
type refresh struct {
	request  RefreshRequest
	progress Progress

	loadParallel int
	liveRevision int64 // revision of the live pointer before the training
	fileRows     []int64

	verified  activities.VerifyVersionResult
	trained   bool // the Glue run is over
	started   bool // a Glue run may exist
	created   bool // a version may exist
	concluded bool // the version has its gate results, and is kept whatever happens
	outcome   string
	verdict   string // the outcome as a sentence
}

// refreshEmbeddings trains on events, loads the embeddings as a new version,
// and promotes it if its gates pass. When it fails or is cancelled, it drops an
// incomplete version and stops the training; completed results are kept.
func refreshEmbeddings(ctx workflow.Context, request RefreshRequest) (*RefreshResult, error) {
	info := workflow.GetInfo(ctx)
	request = request.resolved(info.WorkflowStartTime)
	if err := request.Validate(); err != nil {
		return nil, temporal.NewNonRetryableApplicationError(err.Error(), InvalidRequest, nil)
	}
	r := &refresh{request: request, progress: Progress{
		// A reset keeps the original run id, and so the training run.
		RunID:         runID(request.To, info.OriginalRunID),
		WorkflowRunID: info.WorkflowExecution.RunID,
		StartedAt:     info.WorkflowStartTime,
	}}
	if err := r.registerHandlers(ctx); err != nil {
		return nil, err
	}
	err := cause(r.run(ctx), ctx.Err())
	if err != nil {
		r.compensate(ctx, err)
	}
	result, ended := r.finish(ctx, err)
	r.publishOutcome(ctx, err)
	return result, ended
}

// run executes the stages in order.
func (r *refresh) run(ctx workflow.Context) error {
	steps := []struct {
		stage string
		do    func(workflow.Context) error
	}{
		{StagePrepare, r.prepare},
		{StageStart, r.start},
		{StageTrain, r.train},
		{StageRead, r.read},
		{StageCreate, r.create},
		{StageLoad, r.load},
		{StageIndex, r.index},
		{StageVerify, r.verify},
		{StagePromote, r.promote},
		{StagePrune, r.prune},
	}
	for _, step := range steps {
		r.enter(ctx, step.stage)
		if err := step.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *refresh) prepare(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, quickStep("clean up after terminated runs"))
	var out activities.PrepareResult
	if err := workflow.ExecuteActivity(ctx, do.Prepare).Get(ctx, &out); err != nil {
		return err
	}
	r.loadParallel, r.liveRevision = max(1, out.LoadParallel), out.LiveRevision
	if runs, versions := len(out.CleanedUp.StoppedRuns), len(out.CleanedUp.DroppedVersions); runs+versions > 0 {
		r.setDetail(fmt.Sprintf("stopped %d orphan Glue runs, dropped %d incomplete versions", runs, versions))
	}
	return nil
}

func (r *refresh) start(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary: "start or adopt the training run " + r.progress.RunID,
		// Two Glue calls of at most half a minute each.
		StartToCloseTimeout: 2 * time.Minute,
		// Other trainings may occupy the job for hours. After a day the refresh
		// fails, and an operator must find the reason.
		ScheduleToCloseTimeout: 24 * time.Hour,
		// If the job is busy the step sets its own retry delay; this policy is
		// for outages.
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
		// A start that has begun when the run is cancelled must be awaited: the
		// compensation has to find the run that it started.
		WaitForCancellation: true,
	})
	r.started = true
	var out activities.StartGlueRunResult
	err := workflow.ExecuteActivity(ctx, do.StartGlueRun, activities.StartGlueRunInput{
		RunID:     r.progress.RunID,
		From:      r.request.From,
		To:        r.request.To,
		Requested: r.progress.StartedAt,
		Training:  r.request.Training,
		Interest:  r.request.Interest,
		Yield:     r.request.Evaluation,
	}).Get(ctx, &out)
	if err != nil {
		return err
	}
	r.progress.GlueRunID = out.GlueRunID
	return nil
}

func (r *refresh) train(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary: "await Glue run " + r.progress.GlueRunID,
		// Glue's own timeout ends the run earlier: 48 h is its maximum.
		StartToCloseTimeout: 49 * time.Hour,
		HeartbeatTimeout:    heartbeatTimeout,
		// Polling again costs nothing, and an outage of Glue must not lose
		// hours of training: unlimited attempts at a constant interval.
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 2 * time.Second, BackoffCoefficient: 1},
		WaitForCancellation: true,
	})
	var out activities.AwaitGlueRunResult
	err := workflow.ExecuteActivity(ctx, do.AwaitGlueRun, activities.AwaitGlueRunInput{
		RunID: r.progress.RunID, GlueRunID: r.progress.GlueRunID,
	}).Get(ctx, &out)
	if err != nil {
		return err
	}
	r.trained = true
	r.progress.TrainDone, r.progress.TrainTotal = 0, 0
	r.setDetail(fmt.Sprintf("trained in %s", time.Duration(out.Seconds)*time.Second))
	return nil
}

func (r *refresh) read(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, quickStep("read and check the manifest"))
	var out activities.ReadManifestResult
	err := workflow.ExecuteActivity(ctx, do.ReadManifest, activities.ReadManifestInput{RunID: r.progress.RunID}).Get(ctx, &out)
	if err != nil {
		return err
	}
	r.progress.FilesTotal, r.progress.RowsTotal = out.Files, out.Rows
	r.fileRows = make([]int64, out.Files)
	r.setDetail(fmt.Sprintf("%d files, %d rows, %d dimensions", out.Files, out.Rows, out.Dimension))
	return nil
}

func (r *refresh) create(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, quickStep("create the version of "+r.progress.RunID))
	r.created = true
	var out activities.CreateVersionResult
	err := workflow.ExecuteActivity(ctx, do.CreateVersion, activities.CreateVersionInput{
		RunID: r.progress.RunID, Search: r.request.Search, Evaluation: r.request.Evaluation,
	}).Get(ctx, &out)
	if err != nil {
		return err
	}
	r.progress.Version = out.Version
	index := "no index"
	if out.Search.Method == recsys.HNSW {
		index = "HNSW index"
	}
	r.setDetail(fmt.Sprintf("version %d, %s", out.Version, index))
	return workflow.UpsertTypedSearchAttributes(ctx, VersionAttribute.ValueSet(out.Version))
}

func (r *refresh) index(ctx workflow.Context) error {
	// An index over tens of millions of vectors takes hours.
	ctx = workflow.WithActivityOptions(ctx, longStep(12*time.Hour, fmt.Sprintf("vacuum and index version %d", r.progress.Version)))
	err := workflow.ExecuteActivity(ctx, do.BuildIndexes, activities.BuildIndexesInput{Version: r.progress.Version}).Get(ctx, nil)
	if err == nil {
		r.progress.IndexPercent = 100
		r.setDetail("indexed")
	}
	return err
}

// verify computes the gates. A refusal ends the run: the version is kept for
// inspection, and the live version does not change.
func (r *refresh) verify(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, longStep(4*time.Hour, fmt.Sprintf("compute the gates of version %d", r.progress.Version)))
	r.verified = activities.VerifyVersionResult{}
	err := workflow.ExecuteActivity(ctx, do.VerifyVersion, activities.VerifyVersionInput{
		Version: r.progress.Version, Accept: r.request.AcceptGates,
	}).Get(ctx, &r.verified)
	if err != nil {
		return err
	}
	r.concluded = true
	r.progress.Gates = r.verified.Gates
	if r.verified.Refused {
		return refusal(r.progress.Version, r.verified.Gates)
	}
	r.setDetail(fmt.Sprintf("%d gates passed", len(r.verified.Gates)))
	return nil
}

func (r *refresh) prune(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:             "drop versions that are no longer needed",
		StartToCloseTimeout: time.Minute,
		// The next refresh or sweep drops what cannot be dropped now.
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 3},
	})
	var out activities.PruneResult
	if err := workflow.ExecuteActivity(ctx, do.Prune).Get(ctx, &out); err != nil {
		// The version is already promoted: a failed cleanup does not undo that.
		r.setDetail("left to the sweep: " + reason(err))
		return nil
	}
	r.progress.Dropped = out.Dropped
	detail := fmt.Sprintf("dropped %d versions", len(out.Dropped))
	if out.Events+out.Verdicts > 0 {
		detail += fmt.Sprintf(", and of the stream %d events and %d verdicts", out.Events, out.Verdicts)
	}
	r.setDetail(detail)
	return nil
}

// compensate removes the run's incomplete version and stops its training. It
// uses a disconnected context because the run's may be cancelled.
func (r *refresh) compensate(ctx workflow.Context, cause error) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	if r.started && !r.trained {
		ctx := workflow.WithActivityOptions(ctx, undoStep("stop the training run"))
		err := workflow.ExecuteActivity(ctx, do.StopGlueRun, activities.StopGlueRunInput{RunID: r.progress.RunID}).Get(ctx, nil)
		if err != nil {
			workflow.GetLogger(ctx).Error("failed to stop the Glue run, leaving it to the sweep", "run_id", r.progress.RunID, "error", err)
		}
	}
	if r.created && !r.concluded {
		ctx := workflow.WithActivityOptions(ctx, undoStep("drop the incomplete version"))
		err := workflow.ExecuteActivity(ctx, do.DropVersion, activities.DropVersionInput{
			RunID: r.progress.RunID, Reason: reason(cause),
		}).Get(ctx, nil)
		if err != nil {
			workflow.GetLogger(ctx).Error("failed to drop the incomplete version, leaving it to the sweep", "run_id", r.progress.RunID, "error", err)
		}
	}
}

// refusal returns the error of a version that its gates refuse.
func refusal(version int64, gates []recsys.GateResult) error {
	var refused []recsys.GateResult
	var reasons []error
	for _, g := range gates {
		if g.Refuses() {
			refused = append(refused, g)
			reasons = append(reasons, fmt.Errorf("gate %s (value %.4g, threshold %.4g): %s", g.Gate, g.Value, g.Threshold, g.Reason))
		}
	}
	return temporal.NewNonRetryableApplicationError(
		fmt.Sprintf("version %d is refused: %v", version, errors.Join(reasons...)), activities.GateRefused, nil, refused)
}
