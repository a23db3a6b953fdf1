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

// readyTimeout bounds the wait for what the API needs.
const readyTimeout = 3 * time.Second

func (s *server) healthRoutes() {
	tags := []string{"Process"}
	rest.RegisterPublic(s.api, huma.Operation{OperationID: "health", Method: http.MethodGet, Path: "/healthz", Tags: tags,
		Summary: "Check that the process runs", Description: "Looks at nothing else: restart the process when this fails."}, s.healthz)
	rest.RegisterPublic(s.api, huma.Operation{OperationID: "ready", Method: http.MethodGet, Path: "/readyz", Tags: tags,
		Summary:     "Check that requests can be answered",
		Description: "Asks the database and Temporal, and compares the schema and pgvector with what this build needs. 503 names what is missing."}, s.readyz)
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
		return nil, rest.FailAfter(http.StatusServiceUnavailable, "stopping", "this process is stopping", "ask another one", time.Second)
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	out := &readyOutput{apiclient.Ready{Status: "ready"}}
	var group errgroup.Group
	var database, temporal string
	group.Go(func() error {
		h, err := s.db.Health(ctx)
		out.Body.SchemaVersion, out.Body.PgvectorVersion = h.SchemaVersion, h.PgvectorVersion
		switch {
		case err != nil:
			database = "does not answer"
		case h.SchemaVersion != h.SchemaWanted:
			database = "has another schema than this build needs; run the migrations"
		}
		return nil
	})
	group.Go(func() error {
		if _, err := s.temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
			temporal = "does not answer"
		}
		return nil
	})
	_ = group.Wait()
	p := rest.FailAfter(http.StatusServiceUnavailable, "not_ready", "something that this process needs is missing", "see which, and its own log", rest.RetrySoon)
	for _, missing := range []apiclient.Mistake{{Location: "database", Message: database}, {Location: "temporal", Message: temporal}} {
		if missing.Message != "" {
			p.Errors = append(p.Errors, missing)
		}
	}
	if len(p.Errors) > 0 {
		return nil, p
	}
	return out, nil
}

// buildID is what the image says of itself, else what Go says of the binary.
func (s *server) buildID() string { return cmp.Or(s.config.BuildID, telemetry.BuildID()) }

type versionOutput struct{ Body apiclient.Build }

func (s *server) version(context.Context, *struct{}) (*versionOutput, error) {
	return &versionOutput{apiclient.Build{BuildID: s.buildID(), API: "1"}}, nil
}
