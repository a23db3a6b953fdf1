package main

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/telemetry"
)

// readyTimeout bounds the readiness check of the dependencies.
const readyTimeout = 3 * time.Second

func (s *server) healthRoutes() {
	tags := []string{"Process"}
	rest.RegisterPublic(s.api, huma.Operation{OperationID: "health", Method: http.MethodGet, Path: "/healthz", Tags: tags,
		Summary: "Check that the process is running", Description: "Checks no dependencies. Restart the process if this check fails."}, s.healthz)
	rest.RegisterPublic(s.api, huma.Operation{OperationID: "ready", Method: http.MethodGet, Path: "/readyz", Tags: tags,
		Summary:     "Check that the process can serve requests",
		Description: "Checks that the database and Temporal are reachable, and that the schema version is the one that this build requires. With RECFLOW_SEARCH=memory it also checks that the live version is in memory. If a check fails, the response is 503 with the failed checks."}, s.readyz)
	rest.RegisterPublic(s.api, huma.Operation{OperationID: "version", Method: http.MethodGet, Path: "/version", Tags: tags,
		Summary: "Show the build"}, s.version)
}

type healthOutput struct{ Body apiclient.Health }

func (s *server) healthz(context.Context, *struct{}) (*healthOutput, error) {
	return &healthOutput{apiclient.Health{Status: "ok"}}, nil
}

type readyOutput struct{ Body apiclient.Ready }

func (s *server) readyz(ctx context.Context, _ *struct{}) (*readyOutput, error) {
	select {
	case <-s.stopping:
		return nil, rest.FailAfter(http.StatusServiceUnavailable, "stopping", "the process is shutting down", "send the request to another process", time.Second)
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	index := s.reader.Memory.Status()
	out := &readyOutput{apiclient.Ready{Status: "ready", Index: apiclient.Index{
		State: index.State, Version: index.Version, Items: index.Items, Bytes: index.Bytes, LoadMillis: index.Took.Milliseconds(),
	}}}
	var group errgroup.Group
	var database, temporal string
	group.Go(func() error {
		h, err := s.db.Health(ctx)
		out.Body.SchemaVersion, out.Body.PgvectorVersion = h.SchemaVersion, h.PgvectorVersion
		switch {
		case err != nil:
			database = "unreachable"
		case h.SchemaVersion != h.SchemaWanted:
			database = "does not have the schema version that this build requires; run the migrations"
		}
		return nil
	})
	group.Go(func() error {
		if _, err := s.temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
			temporal = "unreachable"
		}
		return nil
	})
	_ = group.Wait()
	p := rest.FailAfter(http.StatusServiceUnavailable, "not_ready", "a dependency is not ready", "see errors, and the log of the dependency", rest.RetrySoon)
	items := ""
	if !s.reader.Memory.Ready() {
		items = "the items of the live version are not in memory (RECFLOW_SEARCH is memory)"
	}
	for _, missing := range []apiclient.Mistake{{Location: "database", Message: database}, {Location: "temporal", Message: temporal}, {Location: "index", Message: items}} {
		if missing.Message != "" {
			p.Errors = append(p.Errors, missing)
		}
	}
	if len(p.Errors) > 0 {
		return nil, p
	}
	return out, nil
}

// buildID returns the build id from the settings of the image, or else that of the Go binary.
func (s *server) buildID() string { return cmp.Or(s.config.BuildID, telemetry.BuildID()) }

type versionOutput struct{ Body apiclient.Build }

func (s *server) version(context.Context, *struct{}) (*versionOutput, error) {
	return &versionOutput{apiclient.Build{BuildID: s.buildID(), API: "1"}}, nil
}
