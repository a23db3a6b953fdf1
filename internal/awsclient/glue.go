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

// Arguments that name a run. The job reads the first; both are read back from
// Glue to find a run that was started earlier.
const (
	RunIDArgument = "--run_id"
	OwnerArgument = "--owner"
)

// GlueState is where a job run is in its life.
type GlueState string

// Over tells whether the run has ended, well or not.
func (s GlueState) Over() bool {
	switch types.JobRunState(s) {
	case types.JobRunStateSucceeded, types.JobRunStateFailed, types.JobRunStateStopped,
		types.JobRunStateTimeout, types.JobRunStateError, types.JobRunStateExpired:
		return true
	}
	return false // STARTING, RUNNING, STOPPING, WAITING, and any state added later
}

// Succeeded tells whether the run has ended well.
func (s GlueState) Succeeded() bool { return s == GlueState(types.JobRunStateSucceeded) }

// GlueRun is one run of the training job.
type GlueRun struct {
	ID        string // Glue's id, jr_…
	State     GlueState
	Message   string // Glue's error message; empty unless the run ended badly
	Started   time.Time
	Completed time.Time // zero while the run goes on

	// ExecutionSeconds is the time that Glue bills.
	ExecutionSeconds int32

	RunID string // our id of the training, from the arguments
	Owner string // who started it (workflow id/run id), from the arguments
}

// Glue is one job.
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

// Job is the name of the job.
func (g *Glue) Job() string { return g.job }

// Start starts a run and returns Glue's id of it. Argument names include the two
// dashes. The call is sent once: after an error that is not an answer of Glue the
// run may exist, so call FindRun before starting again.
func (g *Glue) Start(ctx context.Context, arguments map[string]string) (string, error) {
	once := func(o *glue.Options) { o.Retryer = aws.NopRetryer{} }
	out, err := g.client.StartJobRun(ctx, &glue.StartJobRunInput{JobName: &g.job, Arguments: arguments}, once)
	if err != nil {
		return "", translate(err, "start a run of Glue job %s", g.job)
	}
	return aws.ToString(out.JobRunId), nil
}

// Get returns a run by Glue's id. recsys.ErrNotFound when Glue has none.
func (g *Glue) Get(ctx context.Context, id string) (GlueRun, error) {
	out, err := g.client.GetJobRun(ctx, &glue.GetJobRunInput{JobName: &g.job, RunId: &id})
	if err != nil {
		return GlueRun{}, translate(err, "get Glue run %s", id)
	}
	if out.JobRun == nil {
		return GlueRun{}, fmt.Errorf("get Glue run %s: the answer holds no run", id)
	}
	return glueRun(*out.JobRun), nil
}

// Runs yields the runs that Glue remembers (90 days on AWS), the newest first,
// reading page by page. It ends after the first error.
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

// FindRun looks for the run that was started with --run_id runID: one that is
// under way or succeeded when there is one, else the newest that ended badly.
// recsys.ErrNotFound when there is none.
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

// Stop asks Glue to stop a run and returns before it has stopped. A run that is
// already over is left as it is; that is not an error.
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
