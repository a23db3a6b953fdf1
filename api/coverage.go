package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.temporal.io/api/serviceerror"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/workflows"
)

func (s *server) coverageRoutes() {
	tags := []string{"Coverage"}
	rest.Register(s.api, huma.Operation{OperationID: "get-coverage", Method: http.MethodGet, Path: "/coverage", Tags: tags,
		Summary: "Show what the next training is compared with",
		Description: "The gate coverage refuses a version whose training did not read exactly the streamed events that Postgres has and that its baseline " +
			"does not cover."},
		rest.Access{Scope: apiclient.ScopeRead}, s.getCoverage)
	rest.Register(s.api, huma.Operation{OperationID: "accept-coverage", Method: http.MethodPost, Path: "/coverage/accept", Tags: tags,
		Summary: "Accept the streamed events of the bucket as they are",
		Description: "For a database that was restored or created anew, and for objects that were deleted on purpose: later trainings are compared from this time on. " +
			"Events that are in Postgres and not in the bucket are then lost; redeliver them first."},
		rest.Access{Scope: apiclient.ScopeOperate, Action: "coverage.accept"}, s.acceptCoverage)
	rest.Register(s.api, huma.Operation{OperationID: "redeliver-events", Method: http.MethodPost, Path: "/coverage/redeliver", Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary: "Write stored events that are not in the bucket there",
		Description: "Compares the events in Postgres that the baseline of the next training does not cover with raw/events, and writes those that are missing. " +
			"It leaves events alone that were stored in the last 15 minutes. One redelivery runs at a time: a repeated request returns the running one."},
		rest.Access{Scope: apiclient.ScopeOperate, Action: "coverage.redeliver"}, s.redeliverEvents)
}

type coverageOutput struct{ Body apiclient.CoverageReport }

func (s *server) getCoverage(ctx context.Context, _ *struct{}) (*coverageOutput, error) {
	horizon, err := s.versions.Horizon(ctx)
	if err != nil {
		return nil, err
	}
	baseline, err := s.versions.Baseline(ctx)
	if err != nil {
		return nil, err
	}
	n, err := s.events.CountSince(ctx, baseline, time.Now())
	if err != nil {
		return nil, err
	}
	out := &coverageOutput{apiclient.CoverageReport{Baseline: baseline, AcceptedBefore: horizon.TrustedBefore, Events: n}}
	out.Body.Redelivery = s.lastRedelivery(ctx)
	return out, nil
}

// lastRedelivery returns the last redelivery, or nil if there is none or Temporal is
// unreachable.
func (s *server) lastRedelivery(ctx context.Context) *apiclient.Redelivery {
	ctx, cancel := context.WithTimeout(ctx, workflowTimeout)
	defer cancel()
	r, err := s.redelivery(ctx, "")
	if err != nil {
		if missing := (*serviceerror.NotFound)(nil); !errors.As(err, &missing) {
			s.log.WarnContext(ctx, "failed to read the last redelivery", "error", err)
		}
		return nil
	}
	return &r
}

// redelivery returns a run of the workflow; an empty run id is the latest one.
func (s *server) redelivery(ctx context.Context, runID string) (r apiclient.Redelivery, err error) {
	var result activities.RedeliverEventsResult
	run, err := s.workflowRun(ctx, workflows.RedeliverWorkflowID, runID, &result)
	if err != nil {
		return r, err
	}
	return apiclient.Redelivery{
		WorkflowRunID: run.id, State: run.state, StartedAt: run.startedAt, EndedAt: run.endedAt, Error: run.problem,
		Stored: result.Stored, Redelivered: result.Redelivered, Objects: result.Objects, Damaged: result.Damaged,
	}, nil
}

type acceptCoverageInput struct{ Body apiclient.AcceptCoverage }

func (s *server) acceptCoverage(ctx context.Context, in *acceptCoverageInput) (*coverageOutput, error) {
	now := time.Now().UTC()
	before := in.Body.StoredBefore
	if before.IsZero() {
		before = now
	}
	before = before.UTC().Truncate(time.Microsecond)
	target := "stored before " + before.Format(time.RFC3339)
	rest.SetTarget(ctx, target)
	rest.SetReason(ctx, in.Body.Reason)
	if before.After(now) {
		return nil, rest.Fail(http.StatusUnprocessableEntity, "invalid_request", "stored_before is in the future", "use a time that has passed, or omit it")
	}
	err := s.api.Change(ctx, target, func(tx *postgres.DB) error { return versions.New(tx).Trust(ctx, before) })
	if err != nil {
		return nil, err
	}
	return s.getCoverage(ctx, nil)
}

type (
	redeliverInput  struct{ Body apiclient.Redeliver }
	redeliverOutput struct{ Body apiclient.Redelivery }
)

func (s *server) redeliverEvents(ctx context.Context, in *redeliverInput) (*redeliverOutput, error) {
	rest.SetReason(ctx, in.Body.Reason)
	out := &redeliverOutput{}
	err := s.api.Change(ctx, workflows.RedeliverWorkflowID, func(*postgres.DB) error {
		ctx, cancel := context.WithTimeout(ctx, workflowTimeout)
		defer cancel()
		runID, _, err := workflows.Redeliver(ctx, s.temporal, s.config.Temporal.TaskQueue)
		if err != nil {
			return err
		}
		out.Body, err = s.redelivery(ctx, runID)
		return err
	})
	if rest.TemporalUnavailable(err) {
		return nil, rest.FailAfter(http.StatusServiceUnavailable, "temporal_unavailable", "Temporal is unreachable; it is unknown whether the redelivery started", "check GET /coverage", rest.RetrySoon)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}
