package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"go.temporal.io/api/serviceerror"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/workflows"
)

func (s *server) catalogRoutes() {
	tags := []string{"Items"}
	rest.Register(s.api, huma.Operation{OperationID: "get-catalog", Method: http.MethodGet, Path: "/catalog", Tags: tags,
		Summary: "Show the last application of the imported catalogs"}, rest.Access{Scope: apiclient.ScopeItems}, s.getCatalog)
	rest.Register(s.api, huma.Operation{OperationID: "apply-catalog", Method: http.MethodPost, Path: "/catalog/apply", Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary: "Apply the imported catalogs at once",
		Description: "Compares the imported catalogs with the versions that exist. Where they differ, an override with the source catalog makes the item available " +
			"or unavailable from the next list on; an override of an operator wins. Without this request a catalog applies from the next version on. One " +
			"application runs at a time: it begins again for a request that arrives while it runs."},
		rest.Access{Scope: apiclient.ScopeItems, Action: "catalog.apply"}, s.applyCatalog)
}

type catalogOutput struct{ Body apiclient.CatalogReport }

func (s *server) getCatalog(ctx context.Context, _ *struct{}) (*catalogOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, workflowTimeout)
	defer cancel()
	out := &catalogOutput{}
	a, err := s.catalogApplication(ctx, "")
	if missing := (*serviceerror.NotFound)(nil); errors.As(err, &missing) {
		return out, nil
	}
	if err != nil {
		return nil, catalogProblem(err, "the last application is unknown", "try again later")
	}
	out.Body.Application = &a
	return out, nil
}

type applyCatalogOutput struct {
	Body apiclient.CatalogApplication
}

func (s *server) applyCatalog(ctx context.Context, _ *struct{}) (*applyCatalogOutput, error) {
	if err := s.requireImports(); err != nil {
		return nil, err
	}
	out := &applyCatalogOutput{}
	err := s.api.Change(ctx, workflows.CatalogWorkflowID, func(*postgres.DB) error {
		ctx, cancel := context.WithTimeout(ctx, workflowTimeout)
		defer cancel()
		runID, err := workflows.RequestCatalog(ctx, s.temporal, s.config.Temporal.TaskQueue)
		if err != nil {
			return err
		}
		out.Body, err = s.catalogApplication(ctx, runID)
		return err
	})
	if err != nil {
		return nil, catalogProblem(err, "it is unknown whether the application started", "send the request again")
	}
	return out, nil
}

// catalogProblem returns the problem for an error of Temporal.
func catalogProblem(err error, consequence, solution string) error {
	if rest.TemporalUnavailable(err) {
		return rest.FailAfter(http.StatusServiceUnavailable, "temporal_unavailable", "Temporal is unreachable; "+consequence, solution, rest.RetrySoon)
	}
	return err
}

// catalogApplication returns a run of the workflow; an empty run id is the latest one.
func (s *server) catalogApplication(ctx context.Context, runID string) (a apiclient.CatalogApplication, err error) {
	var result activities.ApplyCatalogResult
	run, err := s.workflowRun(ctx, workflows.CatalogWorkflowID, runID, &result)
	if err != nil {
		return a, err
	}
	return apiclient.CatalogApplication{
		WorkflowRunID: run.id, State: run.state, StartedAt: run.startedAt, EndedAt: run.endedAt, Error: run.problem,
		Items: result.Items, Complete: result.Complete, Unavailable: result.Unavailable, Available: result.Available, Changed: result.Changed,
	}, nil
}
