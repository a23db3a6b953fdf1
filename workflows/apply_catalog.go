package workflows

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
)

// ApplyCatalog is the workflow type that makes the imported catalogs apply to the
// versions that exist. It takes no argument. Its workflow id is CatalogWorkflowID: one
// runs at a time.
const ApplyCatalog = "ApplyCatalog"

// CatalogWorkflowID is the id of every run of ApplyCatalog.
const CatalogWorkflowID = "recflow-catalog"

// catalogSignal asks for the catalogs as they are now.
const catalogSignal = "catalog"

// applyCatalog applies the catalogs until no request is left: a request that arrives
// while it reads the bucket may be about a later import.
func applyCatalog(ctx workflow.Context) (out activities.ApplyCatalogResult, err error) {
	requests := workflow.GetSignalChannel(ctx, catalogSignal)
	ctx = workflow.WithActivityOptions(ctx, longStep(time.Hour, "compare the catalog with the versions"))
	for more := true; more; {
		received(requests)
		if err := workflow.ExecuteActivity(ctx, do.ApplyCatalog).Get(ctx, &out); err != nil {
			return out, err
		}
		more = received(requests)
	}
	return out, nil
}

// received takes all signals of a channel, and reports whether there were any.
func received(c workflow.ReceiveChannel) (any bool) {
	for c.ReceiveAsync(nil) {
		any = true
	}
	return any
}

// RequestCatalog starts ApplyCatalog, or has the running one begin again at its end. It
// returns the run.
func RequestCatalog(ctx context.Context, c client.Client, taskQueue string) (runID string, err error) {
	run, err := c.SignalWithStartWorkflow(ctx, CatalogWorkflowID, catalogSignal, nil, client.StartWorkflowOptions{
		TaskQueue: taskQueue, StaticSummary: "apply the imported catalogs to the versions that exist",
	}, ApplyCatalog)
	if err != nil {
		return "", fmt.Errorf("start workflow %s: %w", CatalogWorkflowID, err)
	}
	return run.GetRunID(), nil
}
