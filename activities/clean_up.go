package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"

	"github.com/recflow/recflow/internal/postgres/versions"
)

// CleanUpResult is what was cleaned up.
type CleanUpResult struct {
	StoppedRuns     []string `json:"stopped_runs,omitempty"`     // Glue's run ids
	DroppedVersions []int64  `json:"dropped_versions,omitempty"` // versions that were loading
}

// CleanUp stops Glue runs, drops incomplete versions and releases the baselines of
// trainings whose workflow has ended. A terminated workflow runs no compensation, and a failed compensation
// is not repeated. It is idempotent.
//
// One Glue job and one database belong to one Temporal namespace: an owner that
// does not exist there counts as ended.
func (a *Activities) CleanUp(ctx context.Context) (CleanUpResult, error) {
	owners := a.owners()
	stopped, err := a.stopOrphans(ctx, owners)
	if err != nil {
		return CleanUpResult{}, err
	}
	dropped, err := a.dropAbandoned(ctx, owners)
	if err != nil {
		return CleanUpResult{}, err
	}
	if err := a.endTrainings(ctx, owners); err != nil {
		return CleanUpResult{}, err
	}
	return CleanUpResult{StoppedRuns: stopped, DroppedVersions: dropped}, nil
}

// stopOrphans stops every active Glue run whose owner has ended. Runs without
// an owner argument were not started by recflow.
func (a *Activities) stopOrphans(ctx context.Context, owners *owners) (stopped []string, err error) {
	for run, err := range a.Glue.Runs(ctx) {
		if err != nil {
			return stopped, err
		}
		owner, ok := parseOwner(run.Owner)
		if run.State.Over() || !ok {
			continue
		}
		running, err := owners.running(ctx, owner)
		if err != nil {
			return stopped, err
		}
		if running {
			continue
		}
		if err := a.Glue.Stop(ctx, run.ID); err != nil {
			return stopped, err
		}
		activity.GetLogger(ctx).Info("stopped a Glue run without an owner", "glue_run_id", run.ID, "run_id", run.RunID)
		stopped = append(stopped, run.ID)
	}
	return stopped, nil
}

// dropAbandoned fails every loading version whose owner has ended, and drops
// its data.
func (a *Activities) dropAbandoned(ctx context.Context, owners *owners) (dropped []int64, err error) {
	loading, err := a.Versions.LoadingVersions(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range loading {
		running, err := owners.running(ctx, b.Owner)
		if err != nil {
			return dropped, err
		}
		if running {
			continue
		}
		reason := fmt.Sprintf("abandoned: workflow %s (run %s) ended without finishing it", b.Owner.WorkflowID, b.Owner.RunID)
		if err := a.Versions.Fail(ctx, b.Version, reason); err != nil {
			return dropped, err
		}
		activity.GetLogger(ctx).Info("dropped a version without an owner", "version", b.Version, "run_id", b.RunID)
		dropped = append(dropped, b.Version)
	}
	return dropped, nil
}

// endTrainings releases the baselines of trainings whose owner has ended.
func (a *Activities) endTrainings(ctx context.Context, owners *owners) error {
	trainings, err := a.Versions.RunningTrainings(ctx)
	if err != nil {
		return err
	}
	for _, t := range trainings {
		running, err := owners.running(ctx, t.Owner)
		if err != nil {
			return err
		}
		if running {
			continue
		}
		if err := a.Versions.EndTraining(ctx, t.RunID); err != nil {
			return err
		}
	}
	return nil
}

// ownerOf returns the workflow run of the current activity.
func ownerOf(ctx context.Context) versions.Owner {
	w := activity.GetInfo(ctx).WorkflowExecution
	return versions.Owner{WorkflowID: w.ID, RunID: w.RunID}
}

// ownerArgument and parseOwner format and parse the owner argument of a Glue
// run.
func ownerArgument(o versions.Owner) string { return o.WorkflowID + "/" + o.RunID }

func parseOwner(argument string) (versions.Owner, bool) {
	i := strings.LastIndexByte(argument, '/')
	if i < 0 {
		return versions.Owner{}, false
	}
	return versions.Owner{WorkflowID: argument[:i], RunID: argument[i+1:]}, true
}

// owners caches which workflow runs are running, for one cleanup.
type owners struct {
	activities *Activities
	known      map[versions.Owner]bool
}

func (a *Activities) owners() *owners {
	return &owners{activities: a, known: map[versions.Owner]bool{}}
}

// maxResets limits the chain of resets that is followed from one run.
const maxResets = 100

// running reports whether the workflow run is running, or was reset to one that
// is: the new run continues with the training and version of the old one.
func (o *owners) running(ctx context.Context, owner versions.Owner) (bool, error) {
	if running, ok := o.known[owner]; ok {
		return running, nil
	}
	run := owner.RunID
	for range maxResets {
		answer, err := o.activities.Temporal.DescribeWorkflowExecution(ctx, owner.WorkflowID, run)
		if notFound := (*serviceerror.NotFound)(nil); errors.As(err, &notFound) {
			o.known[owner] = false
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("describe workflow %s (run %s): %w", owner.WorkflowID, run, err)
		}
		status := answer.GetWorkflowExecutionInfo().GetStatus()
		if status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			o.known[owner] = true
			return true, nil
		}
		next := answer.GetWorkflowExtendedInfo().GetResetRunId()
		if next == "" || next == run {
			break
		}
		run = next
	}
	o.known[owner] = false
	return false, nil
}
