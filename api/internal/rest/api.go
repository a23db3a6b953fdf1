// Package rest contains the code that all operations of the API share: registration
// with a scope, authentication, rate limits, problems, entity tags, pagination, and
// the log, the audit and the metrics of requests. It imports no package that
// contains operations.
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

// API routes requests to the registered operations and responds to all others with
// a problem. It is safe for concurrent use after all operations are registered.
type API struct {
	// Router registers routes that are not operations.
	Router *gin.Engine

	operations    huma.API
	log           *slog.Logger
	ledger        *ledger.Store
	authenticator *authenticator
	metrics       *metrics
	running       *Slots
}

// New returns an API without operations.
func New(info *huma.Info, c config.API, log *slog.Logger, store *ledger.Store) *API {
	gin.SetMode(gin.ReleaseMode)
	a := &API{Router: gin.New(), log: log, ledger: store, authenticator: newAuthenticator(c, log, store), metrics: newMetrics(), running: NewSlots(maxRunning, 0)}
	a.Router.HandleMethodNotAllowed = true
	a.Router.RedirectTrailingSlash = false
	a.Router.UseRawPath = true          // an id may contain a slash, as %2F
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

// contract returns the OpenAPI document without operations.
func contract(info *huma.Info) huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    info,
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					TokenScheme: {Type: "http", Scheme: "bearer", BearerFormat: "rf_…", Description: "A token created with `recflow tokens create`."},
				},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
}

// OpenAPI returns the document of the registered operations.
func (a *API) OpenAPI() *huma.OpenAPI { return a.operations.OpenAPI() }

// Handler returns the handler of all requests.
func (a *API) Handler() http.Handler { return headAsGet(a.Router) }

// Metrics returns the handler for Prometheus, which is served on a separate address.
func (a *API) Metrics() http.Handler { return a.metrics.handler() }

// headAsGet handles HEAD as GET (RFC 9110, section 9.3.2). The HTTP server still
// has the original method, and omits the body.
func headAsGet(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			r = r.WithContext(r.Context())
			r.Method = http.MethodGet
		}
		h.ServeHTTP(w, r)
	})
}
