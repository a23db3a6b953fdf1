package main

import (
	"context"
	"log/slog"

	"github.com/danielgtaylor/huma/v2"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/quarantine"
	"github.com/recflow/recflow/internal/recommend"
)

// server is what handlers need. There is one in a process.
type server struct {
	config     config.API
	log        *slog.Logger
	db         *postgres.DB
	versions   *versions.Store
	embeddings *embeddings.Store
	events     *events.Store
	ledger     *ledger.Store
	temporal   client.Client      // connects when first used: Temporal may be away
	stream     *awsclient.Kinesis // nil where no stream is configured
	reader     *recommend.Recommender

	quarantine *quarantine.Reader // nil where no bucket is configured

	api      huma.API
	metrics  *metrics
	guard    *guard
	stopping chan struct{} // closed when the process drains
}

func newServer(c config.API, log *slog.Logger, db *postgres.DB, temporal client.Client) *server {
	return &server{
		config: c, log: log, temporal: temporal,
		db: db, versions: versions.New(db), embeddings: embeddings.New(db), events: events.New(db), ledger: ledger.New(db),
		reader:   &recommend.Recommender{Versions: versions.New(db), Embeddings: embeddings.New(db), Keep: recommend.Keep(liveFor)},
		metrics:  newMetrics(),
		guard:    newGuard(c, log, ledger.New(db)),
		stopping: make(chan struct{}),
	}
}

// change makes a change and its entry in the audit in one transaction: change
// gets a database whose statements belong to it. What it was made to is named by
// target, also when it is refused.
func (s *server) change(ctx context.Context, target string, change func(tx *postgres.DB) error) error {
	c := callOf(ctx)
	c.target = target
	return s.ledger.Audited(ctx, ledger.Audit{
		Actor: c.principal.actor(), Action: c.action, Target: target, TraceID: c.traceID,
	}, change)
}
