package main

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"
)

// resources are the routes of every resource.
func (s *server) resources() {
	s.healthRoutes()
	s.tokenRoutes()
	s.auditRoutes()
	s.eventRoutes()
	s.recommendationRoutes()
	s.batchRoutes()
	s.itemRoutes()
	s.backfillRoutes()
	s.versionRoutes()
	s.scheduleRoutes()
	s.streamRoutes()
	s.quarantineRoutes()
}

// handler answers every request: with a resource, or with a problem.
func (s *server) handler() http.Handler { return headAsGet(s.routes()) }

// routes are all that is answered.
func (s *server) routes() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.UseRawPath = true          // an id may hold a slash, as %2F
	engine.UnescapePathValues = false // see pathValues
	engine.ForwardedByClientIP = false
	engine.Use(s.observe, s.recovered, plainText, pathValues)
	engine.NoRoute(func(c *gin.Context) {
		writeProblem(c, fail(http.StatusNotFound, "no_such_route", "there is nothing at this address", "see GET /docs for what there is"))
	})
	engine.NoMethod(func(c *gin.Context) {
		writeProblem(c, fail(http.StatusMethodNotAllowed, "method_not_allowed", "this address does not know this method", "see the Allow header, and GET /docs"))
	})
	s.api = humagin.New(engine, s.contract())
	s.resources()
	s.documentRoutes(engine)
	return engine
}

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

// contract describes the API apart from its operations.
func (s *server) contract() huma.Config {
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:   "recflow",
				Version: "1",
				Description: "The control plane of recflow: backfills, versions, events and recommendations.\n\n" +
					"Within a version of this API changes only add. What is refused is answered with a problem " +
					"(RFC 9457) that says what happened and what to do next.\n\n" +
					"An id in a path may hold any printable character, percent-encoded as RFC 3986 says: a slash is %2F and a space %20. " +
					"A plus stands for itself.",
				License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas: schemas,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					tokenScheme: {Type: "http", Scheme: "bearer", BearerFormat: "rf_…", Description: "A token of `recflow tokens create`."},
				},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
}
