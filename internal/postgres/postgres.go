// Package postgres connects to a recflow database: connections and
// transactions, errors, migrations, and the users of the components. It and its
// subpackages contain every SQL statement of recflow: versions (their life cycle,
// and the live pointer), embeddings (reads of a version), events (of the stream)
// and ledger (backfills, tokens and the audit).
//
// A version has a schema of its own (v42.items, v42.users, v42.holdout). It is
// filled by COPY, vacuumed, indexed and never written again. The schema recflow
// has the list of versions, the live pointer, and the data that changes while a
// version is live: overrides and live events.
//
// Reads name a version, so a reader that has resolved the live version reads only
// that version, even after another one is promoted.
package postgres

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options configures the connections to the database.
type Options struct {
	URL      string // postgres:// address
	MaxConns int32  // maximum size of the pool; 0: the driver's default
	Name     string // application_name, shown in pg_stat_activity

	// StatementTimeout is when the server cancels a statement, also one whose client
	// is frozen and no longer enforces its own deadline. 0: never.
	StatementTimeout time.Duration

	// AcquireTimeout is how long a call waits for a connection of the pool, in
	// addition to its context. 0: until its context ends.
	AcquireTimeout time.Duration

	// Secret returns the password of each new connection, which replaces a
	// password in URL. endpoint is host:port. It may be nil.
	Secret func(ctx context.Context, endpoint, user string) (string, error)

	Log *slog.Logger // nil: nothing is logged
}

// DB is a pool of connections to one recflow database, or a transaction. It is
// safe for concurrent use, except for the DB of a Transaction.
type DB struct {
	Querier // the pool, or the transaction
	Log     *slog.Logger

	pool *pgxpool.Pool
}

// Querier is implemented by a pool and a transaction.
type Querier interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Open connects to a migrated database. It refuses a pgvector with known memory
// errors.
func Open(ctx context.Context, o Options) (*DB, error) {
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", redact(err))
	}
	if o.MaxConns > 0 {
		config.MaxConns = o.MaxConns
	}
	o.configure(config.ConnConfig)
	limit := &connectionLimit{}
	config.ConnConfig.Tracer = limit
	config.BeforeConnect = o.signIn
	config.AfterConnect = registerTypes
	config.PrepareConn = writable // AfterRelease would release asynchronously, and the next call open another connection
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", redact(err))
	}
	db := &DB{Querier: pool, pool: pool, Log: cmp.Or(o.Log, slog.New(slog.DiscardHandler))}
	if err := db.checkExtension(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the database: %w", err)
	}
	limit.acquire.Store(int64(o.AcquireTimeout)) // the first connection may take longer
	return db, nil
}

// signIn sets the password of a connection before it is opened.
func (o Options) signIn(ctx context.Context, c *pgx.ConnConfig) error {
	if o.Secret == nil {
		return nil
	}
	secret, err := o.Secret(ctx, net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))), c.User)
	if err != nil {
		return fmt.Errorf("sign in to the database as %s: %w", c.User, err)
	}
	c.Password = secret
	return nil
}

// Close closes the connections. It waits for those in use.
func (db *DB) Close() { db.pool.Close() }

// Acquire takes a connection from the pool, for statements that must run on the
// same one, and outside of a Transaction. The caller releases it.
func (db *DB) Acquire(ctx context.Context) (*pgxpool.Conn, error) { return db.pool.Acquire(ctx) }

// connectTimeout is how long opening a connection may take if the address does
// not set connect_timeout. A host that was lost in a failover does not answer at
// all.
const connectTimeout = 5 * time.Second

// configure sets options that every connection of recflow needs.
func (o Options) configure(c *pgx.ConnConfig) {
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	// Statements name the schema of a version, so a named prepared statement
	// would rarely be reused and stay cached.
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	c.RuntimeParams["application_name"] = cmp.Or(o.Name, "recflow")
	// The extension may be in a schema of its own or in public.
	c.RuntimeParams["search_path"] = "recflow, extensions, public"
	// A statement whose client has died stops within a second. Otherwise an
	// index build or a COPY would hold its locks for minutes.
	c.RuntimeParams["client_connection_check_interval"] = "1s"
	c.RuntimeParams["idle_in_transaction_session_timeout"] = "60s"
	if o.StatementTimeout > 0 {
		c.RuntimeParams["statement_timeout"] = strconv.FormatInt(o.StatementTimeout.Milliseconds(), 10) // milliseconds
	}
	c.RuntimeParams["timezone"] = "UTC"
	// Compiling an exact search over a large catalog takes longer than running
	// it.
	c.RuntimeParams["jit"] = "off"
}

// The oldest accepted pgvector, and the oldest that is accepted without a
// warning.
var (
	refusedBelow = [3]int{0, 8, 2} // CVE-2026-3172
	warnedBelow  = [3]int{0, 8, 4}
)

// checkExtension checks the version of pgvector.
func (db *DB) checkExtension(ctx context.Context) error {
	var extension string
	err := db.QueryRow(ctx, "SELECT extversion FROM pg_extension WHERE extname = 'vector'").Scan(&extension)
	if err != nil {
		return redact(err)
	}
	return acceptExtension(ctx, db.Log, extension)
}

func acceptExtension(ctx context.Context, log *slog.Logger, extension string) error {
	var got [3]int
	for i, part := range strings.SplitN(extension, ".", 3) {
		n, err := strconv.Atoi(part)
		if err != nil {
			return fmt.Errorf("pgvector version %q is invalid", extension)
		}
		got[i] = n
	}
	switch {
	case older(got, refusedBelow):
		return fmt.Errorf("pgvector %s has a memory safety bug: a parallel index build can read and write out of bounds (CVE-2026-3172); update the extension to 0.8.4 or later: a newer minor version of Postgres on RDS, then `recflow database migrate`", extension)
	case older(got, warnedBelow):
		log.WarnContext(ctx, "pgvector is outdated; update it to 0.8.4 or later", "extversion", extension)
	}
	return nil
}

func older(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

// SchemaOf returns the schema of a version. It is derived from a number and
// needs no quoting.
func SchemaOf(version int64) string { return "v" + strconv.FormatInt(version, 10) }

// InTx runs fn in a transaction that commits if fn returns nil.
func (db *DB) InTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, db.Querier, fn)
}

// Transaction is InTx for statements of several packages: a store of the DB
// that fn gets, such as versions.New(tx), runs in the transaction.
func (db *DB) Transaction(ctx context.Context, fn func(tx *DB) error) error {
	return db.InTx(ctx, func(tx pgx.Tx) error { return fn(&DB{Querier: tx, Log: db.Log, pool: db.pool}) })
}
