package main

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/importer"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/quarantine"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recommend/follow"
)

// server contains the dependencies of the handlers. A process has one.
type server struct {
	config     config.API
	log        *slog.Logger
	db         *postgres.DB
	versions   *versions.Store
	embeddings *embeddings.Store
	events     *events.Store
	ledger     *ledger.Store
	temporal   client.Client      // connects when first used: Temporal may be unavailable
	stream     *awsclient.Kinesis // nil where no stream is configured
	reader     *recommend.Recommender

	quarantine *quarantine.Reader // nil where no bucket is configured
	imports    importer.Store     // nil where no bucket is configured

	api          *rest.API
	heavy        *rest.Slots     // for expensive reads of the database
	objects      *rest.Slots     // for reads of the bucket
	dependencies dependencyCache // of the readiness check
	stopping     chan struct{}   // closed when the process drains
}

const (
	// slotWait is how long an expensive request waits for others to end.
	slotWait = time.Second

	// maxBucketReads is the number of requests that read quarantined records at the
	// same time.
	maxBucketReads = 4

	// listTimeout is the deadline of a request for one list or one item.
	listTimeout = 3 * time.Second

	// heavyTimeout is the deadline of an expensive read of the database.
	heavyTimeout = 60 * time.Second
)

// newServer returns a server with all routes. Expensive reads use at most half of
// the connections of the pool.
func newServer(c config.API, log *slog.Logger, db *postgres.DB, temporal client.Client) *server {
	v, e, l := versions.New(db), embeddings.New(db), ledger.New(db)
	s := &server{
		config: c, log: log, temporal: temporal,
		db: db, versions: v, embeddings: e, events: events.New(db), ledger: l,
		reader: &recommend.Recommender{
			Versions: v, Embeddings: e, Readers: recommend.NewReaderPool(liveFor), Memory: newMemory(c.Search, e),
		},
		api:          rest.New(info(), c, log, l),
		heavy:        rest.NewSlots(max(1, int(c.Database.MaxConns)/2), slotWait),
		objects:      rest.NewSlots(maxBucketReads, slotWait),
		dependencies: dependencyCache{waits: rest.NewSlots(maxReadyWaits, 0)},
		stopping:     make(chan struct{}),
	}
	s.routes()
	s.api.Gauge("recflow_api_index_items", "Items of the live version in memory; 0 while Postgres is searched.", func() float64 {
		return float64(s.reader.Memory.Status().Items)
	})
	s.api.Gauge("recflow_api_index_bytes", "Size of the index in memory.", func() float64 {
		return float64(s.reader.Memory.Status().Bytes)
	})
	s.api.Gauge("recflow_api_index_load_seconds", "Time that loading the index took.", func() float64 {
		return s.reader.Memory.Status().Took.Seconds()
	})
	return s
}

// newMemory returns the memory that lists are searched in, or nil to search in
// Postgres.
func newMemory(c config.Search, data recommend.Data) *recommend.Memory {
	if c.Mode == config.SearchInPostgres {
		return nil
	}
	memory := recommend.NewMemory(data, c.Bytes())
	memory.Required = c.Mode == config.SearchInMemory
	return memory
}

// follower returns what keeps the memory at the live version.
func (s *server) follower() *follow.Follower {
	return &follow.Follower{
		Memory: s.reader.Memory, Versions: s.versions, Log: s.log,
		Reader: versions.Reader{Process: uuid.NewString(), Component: "api", Memory: s.config.Search.Bytes()},
	}
}

// searchSlot takes a slot for an expensive search of a version, 0 for the live one, in
// Postgres. A search in memory needs none.
func (s *server) searchSlot(ctx context.Context, version int64) (release func(), err error) {
	if version == 0 && s.reader.Memory.Status().State == recommend.IndexInMemory {
		return func() {}, nil
	}
	return s.heavy.Take(ctx)
}

func idText(id int64) string { return strconv.FormatInt(id, 10) }
