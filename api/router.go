package main

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/api/internal/backfills"
)

// routes registers all that is answered.
func (s *server) routes() {
	work := backfills.Service{API: s.api, Log: s.log, Ledger: s.ledger, Temporal: s.temporal, Settings: s.config.Temporal, Stopping: s.stopping}
	work.Register()
	s.healthRoutes()
	s.tokenRoutes()
	s.auditRoutes()
	s.eventRoutes()
	s.recommendationRoutes()
	s.batchRoutes()
	s.itemRoutes()
	s.versionRoutes()
	s.streamRoutes()
	s.quarantineRoutes()
	s.documentRoutes()
}

// info describes the API apart from its operations.
func info() *huma.Info {
	return &huma.Info{
		Title:   "recflow",
		Version: "1",
		Description: "The control plane of recflow: backfills, versions, events and recommendations.\n\n" +
			"Within a version of this API changes only add. What is refused is answered with a problem " +
			"(RFC 9457) that says what happened and what to do next.\n\n" +
			"An id in a path may hold any printable character, percent-encoded as RFC 3986 says: a slash is %2F and a space %20. " +
			"A plus stands for itself.",
		License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
	}
}
