package main

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/config/temporalconfig"
	"github.com/recflow/recflow/internal/flight"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/telemetry"
)

const (
	// readyTimeout bounds the readiness check of the dependencies.
	readyTimeout = 3 * time.Second

	// readyFor is how long the result of a check is used again, so that requests
	// without a token do not become requests to the dependencies. They have no rate
	// limit: behind a load balancer its health checks would share it.
	readyFor = time.Second

	// maxReadyWaits is the number of requests that wait for a check. It fails anyway
	// if it takes long.
	maxReadyWaits = 64
)

func (s *server) healthRoutes() {
	tags := []string{"Process"}
	rest.RegisterPublic(s.api, huma.Operation{OperationID: "health", Method: http.MethodGet, Path: "/healthz", Tags: tags,
		Summary: "Check that the process is running", Description: "Checks no dependencies. Restart the process if this check fails."}, s.healthz)
	rest.RegisterPublic(s.api, huma.Operation{OperationID: "ready", Method: http.MethodGet, Path: "/readyz", Tags: tags,
		Summary:     "Check that the process can serve requests",
		Description: "Checks that the database and Temporal are reachable, and that the schema version is the one that this build requires. With RECFLOW_SEARCH=memory it also checks that the live version is in memory. If a check fails, the response is 503 with the failed checks. The result is reused for a second."}, s.readyz)
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
	d, err := s.dependencies.read(ctx, s.checkDependencies)
	if err != nil {
		return nil, err
	}
	missing := []apiclient.Mistake{{Location: "database", Message: d.database}, {Location: "temporal", Message: d.temporal}}
	if !s.reader.Memory.Ready() {
		missing = append(missing, apiclient.Mistake{Location: "index", Message: "the items of the live version are not in memory (RECFLOW_SEARCH is memory)"})
	}
	p := rest.FailAfter(http.StatusServiceUnavailable, "not_ready", "a dependency is not ready", "see errors, and the log of the dependency", rest.RetrySoon)
	for _, m := range missing {
		if m.Message != "" {
			p.Errors = append(p.Errors, m)
		}
	}
	if len(p.Errors) > 0 {
		return nil, p
	}
	index := s.reader.Memory.Status()
	return &readyOutput{apiclient.Ready{
		Status: "ready", SchemaVersion: d.health.SchemaVersion, PgvectorVersion: d.health.PgvectorVersion,
		Index: apiclient.Index{
			State: index.State, Version: index.Version, Items: index.Items, Bytes: index.Bytes, LoadMillis: index.Took.Milliseconds(),
		},
	}}, nil
}

// dependencies is the result of a check of the dependencies. A message is empty if
// the dependency is ready.
type dependencies struct {
	health             postgres.Health
	database, temporal string
}

// checkDependencies checks the database and Temporal.
func (s *server) checkDependencies(ctx context.Context) (d dependencies) {
	var group sync.WaitGroup
	group.Go(func() {
		var err error
		d.health, err = s.db.Health(ctx)
		switch {
		case err != nil:
			d.database = "unreachable"
		case d.health.CheckSchema() != nil:
			d.database = "does not have the schema version that this build requires; run the migrations"
		}
	})
	group.Go(func() {
		if err := temporalconfig.Check(ctx, s.temporal, s.config.Temporal.Namespace); err != nil {
			s.log.WarnContext(ctx, "the check of Temporal failed", "error", err)
			d.temporal = "unreachable"
			if temporalconfig.Refused(err) {
				d.temporal = "refuses the credentials"
			}
		}
	})
	group.Wait()
	return d
}

// dependencyCache shares the result of a check for readyFor. It is safe for
// concurrent use.
type dependencyCache struct {
	waits  *rest.Slots
	checks flight.Group[dependencies]
	last   atomic.Pointer[checkedDependencies]
}

type checkedDependencies struct {
	dependencies
	until time.Time
}

// read returns the last result, or that of a check that all callers wait for.
func (c *dependencyCache) read(ctx context.Context, check func(context.Context) dependencies) (dependencies, error) {
	if last := c.last.Load(); last != nil && time.Now().Before(last.until) {
		return last.dependencies, nil
	}
	release, err := c.waits.Take(ctx)
	if err != nil {
		return dependencies{}, err
	}
	defer release()
	return c.checks.Read(ctx, "", readyTimeout, func(ctx context.Context) (dependencies, error) {
		d := check(ctx)
		c.last.Store(&checkedDependencies{d, time.Now().Add(readyFor)})
		return d, nil
	})
}

// buildID returns the build id from the settings of the image, or else that of the Go binary.
func (s *server) buildID() string { return cmp.Or(s.config.BuildID, telemetry.BuildID()) }

type versionOutput struct{ Body apiclient.Build }

func (s *server) version(context.Context, *struct{}) (*versionOutput, error) {
	return &versionOutput{apiclient.Build{BuildID: s.buildID(), API: "1"}}, nil
}
