package main

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/api/internal/backfills"
)

// routes registers all routes.
func (s *server) routes() {
	work := backfills.Service{API: s.api, Log: s.log, Ledger: s.ledger, Versions: s.versions, Temporal: s.temporal, Settings: s.config.Temporal, Stopping: s.stopping}
	work.Register()
	s.healthRoutes()
	s.tokenRoutes()
	s.auditRoutes()
	s.eventRoutes()
	s.recommendationRoutes()
	s.batchRoutes()
	s.itemRoutes()
	s.bulkItemRoutes()
	s.catalogRoutes()
	s.versionRoutes()
	s.interestRoutes()
	s.streamRoutes()
	s.replayRoutes()
	s.coverageRoutes()
	s.quarantineRoutes()
	s.importRoutes()
	s.documentRoutes()
}

// info returns the title and the description of the API.
func info() *huma.Info {
	return &huma.Info{
		Title:   "recflow",
		Version: "1",
		Description: "The control plane of recflow: backfills, versions, events and recommendations.\n\n" +
			"Within a version of this API, changes are backward compatible. Errors are returned as problem details " +
			"(RFC 9457) that describe the error and the next step.\n\n" +
			"An id in a path can contain any printable character, percent-encoded according to RFC 3986: a slash is %2F and a space is %20. " +
			"A plus sign is not decoded to a space.",
		License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
	}
}
