// Package rest is what every operation of the API has in common and no resource:
// how one is registered with its scope, who calls it and how often, problems,
// entity tags, pages, the log, the audit and the metrics of requests. It imports
// no package that holds operations.
package rest

import (
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/postgres/ledger"
)

// API answers requests with the operations that are registered with it, and all
// others with a problem. It is safe for concurrent use once they are.
type API struct {
	// Router takes the routes that are not operations.
	Router *gin.Engine

	operations    huma.API
	log           *slog.Logger
	ledger        *ledger.Store
	authenticator *authenticator
	metrics       *metrics
}

// New returns an API without operations that info describes.
func New(info *huma.Info, c config.API, log *slog.Logger, store *ledger.Store) *API {
	gin.SetMode(gin.ReleaseMode)
	a := &API{Router: gin.New(), log: log, ledger: store, authenticator: newAuthenticator(c, log, store), metrics: newMetrics()}
	a.Router.HandleMethodNotAllowed = true
	a.Router.RedirectTrailingSlash = false
	a.Router.UseRawPath = true          // an id may hold a slash, as %2F
	a.Router.UnescapePathValues = false // see pathValues
	a.Router.ForwardedByClientIP = false
	a.Router.Use(a.observe, a.recovered, plainText, pathValues)
	a.Router.NoRoute(func(c *gin.Context) {
		writeProblem(c, Fail(http.StatusNotFound, "no_such_route", "route not found", "see GET /docs for the routes"))
	})
	a.Router.NoMethod(func(c *gin.Context) {
		writeProblem(c, Fail(http.StatusMethodNotAllowed, "method_not_allowed", "the route does not allow this method", "see the Allow header, and GET /docs"))
	})
	a.operations = humagin.New(a.Router, contract(info))
	return a
}

// contract describes the API apart from its operations.
func contract(info *huma.Info) huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    info,
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					TokenScheme: {Type: "http", Scheme: "bearer", BearerFormat: "rf_…", Description: "A token of `recflow tokens create`."},
				},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
}

// OpenAPI is the document of the operations registered so far.
func (a *API) OpenAPI() *huma.OpenAPI { return a.operations.OpenAPI() }

// Handler answers every request: with an operation, or with a problem.
func (a *API) Handler() http.Handler { return headAsGet(a.Router) }

// Metrics answers Prometheus, which asks at an address of its own.
func (a *API) Metrics() http.Handler { return a.metrics.handler() }

// headAsGet answers HEAD as GET, wherever there is GET (RFC 9110, section 9.3.2).
// The server that calls it knows what was asked, and leaves the body out.
func headAsGet(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			r = r.WithContext(r.Context())
			r.Method = http.MethodGet
		}
		h.ServeHTTP(w, r)
	})
}
