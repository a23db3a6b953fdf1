package awsclient

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/recflow/recflow/internal/recsys"
)

// Arguments that identify a run. The job reads the first; both are read back from
// Glue to find a run started earlier.
const (
	RunIDArgument = "--run_id"
	OwnerArgument = "--owner"
)

// GlueState is the state of a job run.
type GlueState string

// Over reports whether the run has ended, successfully or not.
func (s GlueState) Over() bool {
	switch types.JobRunState(s) {
	case types.JobRunStateSucceeded, types.JobRunStateFailed, types.JobRunStateStopped,
		types.JobRunStateTimeout, types.JobRunStateError, types.JobRunStateExpired:
		return true
	}
	return false // STARTING, RUNNING, STOPPING, WAITING, and any state added later
}

// Succeeded reports whether the run ended successfully.
func (s GlueState) Succeeded() bool { return s == GlueState(types.JobRunStateSucceeded) }

// GlueRun is one run of the training job.
type GlueRun struct {
	ID        string // Glue's id, jr_…
	State     GlueState
	Message   string // Glue's error message; empty unless the run failed
	Started   time.Time
	Completed time.Time // zero while the run is active

	// ExecutionSeconds is the time that Glue bills.
	ExecutionSeconds int32

	RunID string // our training ID, from the arguments
	Owner string // who started it (workflow id/run id), from the arguments
}

// Glue is a client of one job.
type Glue struct {
	client *glue.Client
	job    string
}

// NewGlue returns a client of the job named job.
func NewGlue(c Config, job string) *Glue {
	client := glue.NewFromConfig(c.aws, func(o *glue.Options) {
		if c.options.GlueEndpoint != "" {
			o.BaseEndpoint = aws.String(c.options.GlueEndpoint)
		}
	})
	return &Glue{client: client, job: job}
}

// Job returns the name of the job.
func (g *Glue) Job() string { return g.job }

// Start starts a run and returns its Glue ID. Argument names include the two
// dashes. The call is sent once: if it fails without a response from Glue, the run
// may exist, so call FindRun before starting again.
func (g *Glue) Start(ctx context.Context, arguments map[string]string) (string, error) {
	once := func(o *glue.Options) { o.Retryer = aws.NopRetryer{} }
	out, err := g.client.StartJobRun(ctx, &glue.StartJobRunInput{JobName: &g.job, Arguments: arguments}, once)
	if err != nil {
		return "", translate(err, "start a run of Glue job %s", g.job)
	}
	return aws.ToString(out.JobRunId), nil
}

// Get returns a run by its Glue ID, or recsys.ErrNotFound.
func (g *Glue) Get(ctx context.Context, id string) (GlueRun, error) {
	out, err := g.client.GetJobRun(ctx, &glue.GetJobRunInput{JobName: &g.job, RunId: &id})
	if err != nil {
		return GlueRun{}, translate(err, "get Glue run %s", id)
	}
	if out.JobRun == nil {
		return GlueRun{}, fmt.Errorf("get Glue run %s: the response has no run", id)
	}
	return glueRun(*out.JobRun), nil
}

// Runs yields the job's runs (Glue retains them for 90 days on AWS), newest first,
// page by page. It stops after the first error.
func (g *Glue) Runs(ctx context.Context) iter.Seq2[GlueRun, error] {
	return func(yield func(GlueRun, error) bool) {
		pages := glue.NewGetJobRunsPaginator(g.client, &glue.GetJobRunsInput{JobName: &g.job})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(GlueRun{}, translate(err, "list runs of Glue job %s", g.job))
				return
			}
			for _, r := range page.JobRuns {
				if !yield(glueRun(r), nil) {
					return
				}
			}
		}
	}
}

// FindRun finds the run started with --run_id runID: one that is active or
// succeeded if there is one, otherwise the newest failed one. It returns
// recsys.ErrNotFound if there is none.
func (g *Glue) FindRun(ctx context.Context, runID string) (GlueRun, error) {
	var newest GlueRun
	for r, err := range g.Runs(ctx) {
		switch {
		case err != nil:
			return GlueRun{}, err
		case r.RunID != runID:
			continue
		case r.State.Succeeded() || !r.State.Over():
			return r, nil
		case newest.ID == "":
			newest = r
		}
	}
	if newest.ID == "" {
		return GlueRun{}, fmt.Errorf("find the Glue run of %s: %w", runID, recsys.ErrNotFound)
	}
	return newest, nil
}

// Stop asks Glue to stop a run and returns before it has stopped. Stopping a run
// that has already ended is not an error.
func (g *Glue) Stop(ctx context.Context, id string) error {
	out, err := g.client.BatchStopJobRun(ctx, &glue.BatchStopJobRunInput{JobName: &g.job, JobRunIds: []string{id}})
	if err != nil {
		return translate(err, "stop Glue run %s", id)
	}
	if len(out.Errors) == 0 {
		return nil
	}
	r, err := g.Get(ctx, id)
	if err == nil && r.State.Over() {
		return nil
	}
	refusal := errors.New("refused")
	if d := out.Errors[0].ErrorDetail; d != nil {
		refusal = fmt.Errorf("%s: %s", aws.ToString(d.ErrorCode), aws.ToString(d.ErrorMessage))
	}
	return fmt.Errorf("stop Glue run %s: %w", id, errors.Join(refusal, err))
}

func glueRun(r types.JobRun) GlueRun {
	return GlueRun{
		ID:               aws.ToString(r.Id),
		State:            GlueState(r.JobRunState),
		Message:          aws.ToString(r.ErrorMessage),
		Started:          aws.ToTime(r.StartedOn),
		Completed:        aws.ToTime(r.CompletedOn),
		ExecutionSeconds: r.ExecutionTime,
		RunID:            r.Arguments[RunIDArgument],
		Owner:            r.Arguments[OwnerArgument],
	}
}
