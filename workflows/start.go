package workflows

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Register registers all workflows with a worker.
func Register(w worker.WorkflowRegistry) {
	w.RegisterWorkflowWithOptions(refreshEmbeddings, workflow.RegisterOptions{Name: RefreshEmbeddings})
	w.RegisterWorkflowWithOptions(sweep, workflow.RegisterOptions{Name: Sweep})
	w.RegisterWorkflowWithOptions(redeliverEvents, workflow.RegisterOptions{Name: RedeliverEvents})
	w.RegisterWorkflowWithOptions(applyCatalog, workflow.RegisterOptions{Name: ApplyCatalog})
	RegisterBackfills(w)
}

// RegisterBackfills registers the workflows that start refreshes, without the
// refresh itself.
func RegisterBackfills(w worker.WorkflowRegistry) {
	w.RegisterWorkflowWithOptions(runBackfill, workflow.RegisterOptions{Name: Backfill})
	w.RegisterWorkflowWithOptions(planBackfill, workflow.RegisterOptions{Name: PlanBackfill})
}

// Start starts a refresh. If the same request is already running, it returns
// that run, and running is true.
func Start(ctx context.Context, c client.Client, taskQueue string, r RefreshRequest) (run client.WorkflowRun, running bool, err error) {
	if err := r.Validate(); err != nil {
		return nil, false, err
	}
	id := RefreshWorkflowID(r)
	run, err = c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:            id,
		TaskQueue:     taskQueue,
		StaticSummary: summary(r),
		StaticDetails: details(r),
		// Without this the client returns the running workflow without an
		// error.
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, RefreshEmbeddings, r)
	if already := (*serviceerror.WorkflowExecutionAlreadyStarted)(nil); errors.As(err, &already) {
		return c.GetWorkflow(ctx, id, already.RunId), true, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("start workflow %s: %w", id, err)
	}
	return run, false, nil
}

// AskProgress queries the progress of a run. An empty runID means the latest
// run of the id.
func AskProgress(ctx context.Context, c client.Client, workflowID, runID string) (Progress, error) {
	answer, err := c.QueryWorkflow(ctx, workflowID, runID, ProgressQuery)
	if err != nil {
		return Progress{}, fmt.Errorf("query the progress of workflow %s: %w", workflowID, err)
	}
	var p Progress
	if err := answer.Get(&p); err != nil {
		return Progress{}, fmt.Errorf("decode the progress of workflow %s: %w", workflowID, err)
	}
	return p, nil
}

func summary(r RefreshRequest) string {
	return "refresh on events " + span(r)
}

// details describes the refresh in Markdown. It writes to memory, which the
// checker cannot distinguish from other writers.
//
//workflowcheck:ignore
func details(r RefreshRequest) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Trains on the events %s, loads the embeddings as a new version and computes its gates.\n\n", span(r))
	b.WriteString(r.String() + ", ")
	if half := time.Duration(r.Interest.HalfLifeSeconds * float64(time.Second)); half > 0 {
		fmt.Fprintf(&b, "half-life %s\n\n", half)
	} else {
		b.WriteString("no half-life\n\n")
	}
	if r.Promote {
		b.WriteString("The version is promoted if no gate refuses it.\n")
	} else {
		b.WriteString("The version is not promoted automatically.\n")
	}
	for _, gate := range sortedKeys(r.AcceptGates) {
		fmt.Fprintf(&b, "\n- a refusal by gate *%s* is accepted: %s", gate, r.AcceptGates[gate])
	}
	return b.String()
}

func span(r RefreshRequest) string {
	if r.To.IsZero() && r.From.IsZero() {
		return "before its start"
	}
	if r.To.IsZero() {
		return "from " + r.From.UTC().Format(time.RFC3339) + " to its start"
	}
	to := r.To.UTC().Format(time.RFC3339)
	if r.From.IsZero() {
		return "before " + to
	}
	return "from " + r.From.UTC().Format(time.RFC3339) + " to " + to
}
