// Package postgrestest provides a real Postgres to tests. One server serves a
// test binary; every test gets its own database.
package postgrestest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/recflow/recflow/internal/local/pgserver/pgservertest"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/versions"
)

// Store has all stores of one database, for tests that need several of them.
type Store struct {
	*postgres.DB
	*VersionStore
	*EmbeddingStore
	*EventStore
	*LedgerStore

	URL string // of the database
}

// The parts of a Store.
type (
	VersionStore   = versions.Store
	EmbeddingStore = embeddings.Store
	EventStore     = events.Store
	LedgerStore    = ledger.Store
)

// Of returns the stores of a database, or of a transaction.
func Of(db *postgres.DB) *Store {
	return &Store{DB: db, VersionStore: versions.New(db), EmbeddingStore: embeddings.New(db), EventStore: events.New(db), LedgerStore: ledger.New(db)}
}

// New returns the stores of a new migrated database.
func New(t testing.TB) *Store {
	t.Helper()
	return Open(t, URL(t))
}

// MaxConns is the size of the pool of a Store.
const MaxConns = 8

// Open opens the database at url until the test ends.
func Open(t testing.TB, url string) *Store {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Options{URL: url, MaxConns: MaxConns, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	s := Of(db)
	s.URL = url
	return s
}

var (
	databases atomic.Int64             // number of databases created
	used      = make(chan string, 100) // databases of finished tests, to be emptied before reuse
)

// URL returns the address of a new migrated database.
func URL(t testing.TB) string {
	t.Helper()
	server := pgservertest.Shared(t)
	var name string
	select {
	case name = <-used: // creating a new one takes four times as long
		if err := empty(server.URL(name)); err != nil {
			t.Fatalf("empty a database: %v", err)
		}
	default:
		name = create(t, server)
	}
	t.Cleanup(func() { used <- name })
	if err := postgres.Migrate(t.Context(), server.URL(name)); err != nil {
		t.Fatal(err)
	}
	return server.URL(name)
}

// EmptyURL returns the address of a new database without migrations.
func EmptyURL(t testing.TB) string {
	t.Helper()
	server := pgservertest.Shared(t)
	return server.URL(create(t, server))
}

func create(t testing.TB, server *pgserver.Server) (name string) {
	t.Helper()
	name = fmt.Sprintf("test_%d", databases.Add(1))
	// The default strategy, which writes the copy to the log, takes three times
	// as long.
	if err := execute(server.URL("postgres"), "CREATE DATABASE "+name+" STRATEGY FILE_COPY"); err != nil {
		t.Fatal(err)
	}
	return name
}

// empty ends the sessions of a test and drops everything that recflow created.
func empty(url string) error {
	return execute(url, `
		DO $$
		DECLARE
			made name;
		BEGIN
			PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
			FOR made IN SELECT nspname FROM pg_namespace WHERE nspname ~ '^(recflow|v[0-9]+)$' LOOP
				EXECUTE format('DROP SCHEMA %I CASCADE', made);
			END LOOP;
		END $$`)
}

func execute(url, statement string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}
