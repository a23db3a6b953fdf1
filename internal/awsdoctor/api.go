package awsdoctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/recflow/recflow/internal/apiclient"
)

type api interface {
	Ready(context.Context) (apiclient.Ready, error)
	Live(context.Context) (apiclient.Live, string, error)
}

// api checks the API, its private dependencies, and the live version.
func (d *Doctor) api(ctx context.Context) []Check {
	const name = "API"
	ready, err := d.API.Ready(ctx)
	var problem *apiclient.Problem
	switch {
	case err == nil:
		return []Check{
			ok(name, "%s", d.Deployment.APIURL),
			ok("database", "schema version %d, pgvector %s", ready.SchemaVersion, ready.PgvectorVersion),
			ok("Temporal", "answers"),
			d.liveVersion(ctx),
		}
	case errors.As(err, &problem) && problem.Code == "not_ready":
		return append([]Check{ok(name, "%s answers", d.Deployment.APIURL)}, missingParts(problem)...)
	case errors.As(err, &problem):
		return []Check{bad(name, "see the service api above and its log", "%s answers %d %s", d.Deployment.APIURL, problem.Status, http.StatusText(problem.Status))}
	}
	return []Check{bad(name, "connect from a network in api_ingress_cidrs, or from the VPC when the load balancer is internal; check its DNS record and the service api",
		"%s", err)}
}

// missingParts are the dependencies that the API reports as not ready.
func missingParts(p *apiclient.Problem) []Check {
	says := map[string]string{}
	for _, m := range p.Errors {
		says[m.Location] = m.Message
	}
	part := func(name, location, fix string) Check {
		if message, missing := says[location]; missing {
			return bad(name, fix, "it %s", message)
		}
		return ok(name, "answers")
	}
	return []Check{
		part("database", "database", "migrate it: terraform output -raw migrate_task | sh; see the alarms database-… and the API's log"),
		part("Temporal", "temporal", "check temporal.address, its namespace and its key, and that the VPC has outbound access"),
		skipped("live version", "fix the above first", "the API is not ready"),
	}
}

func (d *Doctor) liveVersion(ctx context.Context) Check {
	const name = "live version"
	if !d.Token {
		return skipped(name, "set RECFLOW_API_TOKEN to a token with the scope read", "the API rejects the request as unauthenticated")
	}
	live, _, err := d.API.Live(ctx)
	var problem *apiclient.Problem
	switch {
	case err == nil:
		return ok(name, "version %d, trained on events up to %s", live.Version.ID, live.Version.Coverage.To.UTC().Format(time.RFC3339))
	case errors.As(err, &problem) && problem.Code == "no_live_version":
		return bad(name, "train one: recflow backfill start refresh --promote --wait", "there is none: no recommendations are served")
	case errors.As(err, &problem) && (problem.Status == http.StatusUnauthorized || problem.Status == http.StatusForbidden):
		return bad(name, "set RECFLOW_API_TOKEN to a token with the scope read", "the API rejects the token: %s", problem.Detail)
	}
	return bad(name, "see the API's log", "%s", fmt.Sprint(err))
}
