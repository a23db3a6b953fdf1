package main

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
)

// workflowTimeout bounds the calls of Temporal of one request.
const workflowTimeout = 5 * time.Second

// The states of a workflow that a request has started.
const (
	stateRunning   = "running"
	stateSucceeded = "succeeded"
	stateFailed    = "failed"
)

// workflowRun is a run of a workflow that a request has started.
type workflowRun struct {
	id, state          string
	startedAt, endedAt time.Time
	problem            string // why it failed
}

// workflowRun returns a run of a workflow, and its result if it has succeeded; an empty
// run id is the latest one.
func (s *server) workflowRun(ctx context.Context, workflowID, runID string, result any) (run workflowRun, err error) {
	described, err := s.temporal.DescribeWorkflowExecution(ctx, workflowID, runID)
	if err != nil {
		return run, err
	}
	info := described.GetWorkflowExecutionInfo()
	run = workflowRun{id: info.GetExecution().GetRunId(), state: stateRunning, startedAt: info.GetStartTime().AsTime()}
	if info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return run, nil
	}
	run.endedAt, run.state = info.GetCloseTime().AsTime(), stateSucceeded
	if err := s.temporal.GetWorkflow(ctx, workflowID, run.id).Get(ctx, result); err != nil {
		run.state, run.problem = stateFailed, "see the workflow "+workflowID+" in the Temporal UI"
	}
	return run, nil
}
