// Package postgres connects to a recflow database: connections and transactions,
// errors, migrations, and the users of the components. Its subpackages hold every
// SQL statement of recflow: versions (their life, and which is live), embeddings
// (what a version holds, as readers ask for it), events (of the stream) and ledger
// (backfills, tokens and the audit).
//
// A version lives in a schema of its own (v42.items, v42.users, v42.holdout). It
// is filled by COPY, vacuumed, indexed and never written again. The schema
// recflow holds what is known about versions, the live pointer, and the facts
// that change while a version serves: availability and live events.
//
// Reads name a version, so a reader that resolved the live version once sees
// that version and nothing else, whatever is promoted meanwhile.
package postgres

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options say how to reach the database.
type Options struct {
	URL      string // postgres:// address
	MaxConns int32  // of the pool; 0 for the driver's default
	Name     string // application_name, shown in pg_stat_activity

	// Secret is asked for what each new connection signs in with, in place of a
	// password in URL. endpoint is host:port. It may be nil.
	Secret func(ctx context.Context, endpoint, user string) (string, error)

	Log *slog.Logger // nil discards it
}

// DB is a pool of connections to one recflow database, or a transaction of one.
// It is safe for concurrent use, apart from what Transaction hands out.
type DB struct {
	Querier // the pool, or the transaction
	Log     *slog.Logger

	pool *pgxpool.Pool
}

// Querier is what a pool and a transaction have in common.
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
	configure(config.ConnConfig, o.Name)
	config.BeforeConnect = o.signIn
	config.AfterConnect = registerTypes
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", redact(err))
	}
	db := &DB{Querier: pool, pool: pool, Log: cmp.Or(o.Log, slog.New(slog.DiscardHandler))}
	if err := db.checkExtension(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return db, nil
}

// signIn gives a connection that is about to be made its password.
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

// Acquire takes a connection out of the pool, for statements that have to follow
// each other on one. The caller releases it.
func (db *DB) Acquire(ctx context.Context) (*pgxpool.Conn, error) { return db.pool.Acquire(ctx) }

// configure sets what every connection of recflow needs.
func configure(c *pgx.ConnConfig, name string) {
	// Statements name the schema of a version, so a named prepared statement
	// would be used by few and kept by all.
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	if name == "" {
		name = "recflow"
	}
	c.RuntimeParams["application_name"] = name
	// The extension may live in a schema of its own or in public.
	c.RuntimeParams["search_path"] = "recflow, extensions, public"
	// A statement whose client has died stops within a second: an index build
	// or a COPY would otherwise hold its locks for minutes.
	c.RuntimeParams["client_connection_check_interval"] = "1s"
	c.RuntimeParams["idle_in_transaction_session_timeout"] = "60s"
	c.RuntimeParams["timezone"] = "UTC"
	// Compiling an exact search over a large catalogue takes longer than running it.
	c.RuntimeParams["jit"] = "off"
}

// The oldest pgvector that is accepted, and that is accepted without a warning.
var (
	refusedBelow = [3]int{0, 8, 2} // CVE-2026-3172
	warnedBelow  = [3]int{0, 8, 4}
)

// checkExtension reads the version of pgvector.
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
			return fmt.Errorf("pgvector version %q is not understood", extension)
		}
		got[i] = n
	}
	switch {
	case older(got, refusedBelow):
		return fmt.Errorf("pgvector %s is refused: a parallel index build can read and write out of bounds (CVE-2026-3172); update the extension to 0.8.4 or later", extension)
	case older(got, warnedBelow):
		log.WarnContext(ctx, "pgvector is old; update it to 0.8.4 or later", "extversion", extension)
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

// SchemaOf is the quoted schema of a version. It is made from a number and so
// needs no escaping.
func SchemaOf(version int64) string { return "v" + strconv.FormatInt(version, 10) }

// InTx runs fn in a transaction that commits when fn returns nil.
func (db *DB) InTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, db.Querier, fn)
}

// Transaction is InTx for statements of several packages: what fn makes of the DB
// that it gets, such as versions.New(tx), belongs to the transaction.
func (db *DB) Transaction(ctx context.Context, fn func(tx *DB) error) error {
	return db.InTx(ctx, func(tx pgx.Tx) error { return fn(&DB{Querier: tx, Log: db.Log, pool: db.pool}) })
}
