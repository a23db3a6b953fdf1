// Package vectorstore keeps versions of embeddings in Postgres with pgvector,
// and holds every SQL statement of recflow.
//
// A version lives in a schema of its own (v42.items, v42.users, v42.holdout). It
// is filled by COPY, vacuumed, indexed and never written again. The schema
// recflow holds what is known about versions, the live pointer, and the facts
// that change while a version serves: availability and live events.
//
// Reads name a version, so a reader that resolved the live version once sees
// that version and nothing else, whatever is promoted meanwhile.
package vectorstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/recflow/recflow/internal/recsys"
)

// lockTimeout is how long a statement may wait for a lock before it gives way.
// Waiting longer would queue the readers that come after it.
const lockTimeout = 2 * time.Second

// Options say how to reach the database.
type Options struct {
	URL      string // postgres:// address
	MaxConns int32  // of the pool; 0 for the driver's default
	Name     string // application_name, shown in pg_stat_activity

	// Secret is asked for what each new connection signs in with, in place of a
	// password in URL. endpoint is host:port. It may be nil.
	Secret func(ctx context.Context, endpoint, user string) (string, error)

	Tuning Tuning

	Log *slog.Logger // nil discards it
}

// Store is a pool of connections to one recflow database. It is safe for
// concurrent use, but for the one that Audited hands out.
type Store struct {
	pool  *pgxpool.Pool
	db    database // the pool, or the transaction of Audited
	cache *facetCache
	log   *slog.Logger

	tuning Tuning // without zero fields
}

// database is what a pool and a transaction have in common.
type database interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Open connects to a migrated database. It refuses a pgvector with known memory
// errors.
func Open(ctx context.Context, o Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", redact(err))
	}
	if o.MaxConns > 0 {
		config.MaxConns = o.MaxConns
	}
	configure(config.ConnConfig, o.Name)
	config.BeforeConnect = o.signIn
	config.AfterConnect = registerTypes
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", redact(err))
	}
	s := &Store{pool: pool, db: pool, cache: &facetCache{}, log: o.Log, tuning: o.Tuning.withDefaults()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.checkExtension(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the store: %w", err)
	}
	return s, nil
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
func (s *Store) Close() { s.pool.Close() }

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
func (s *Store) checkExtension(ctx context.Context) error {
	var extension string
	err := s.db.QueryRow(ctx, "SELECT extversion FROM pg_extension WHERE extname = 'vector'").Scan(&extension)
	if err != nil {
		return redact(err)
	}
	return acceptExtension(ctx, s.log, extension)
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

// schemaOf is the quoted schema of a version. It is made from a number and so
// needs no escaping.
func schemaOf(version int64) string { return "v" + strconv.FormatInt(version, 10) }

// inTx runs fn in a transaction that commits when fn returns nil.
func (s *Store) inTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.db, fn)
}

// setLockTimeout bounds the wait for locks in this transaction.
func setLockTimeout(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", fmt.Sprintf("%dms", lockTimeout.Milliseconds()))
	return err
}

// translate turns the driver's errors into recsys's.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return recsys.ErrNotFound
	}
	if hasCode(err, "42P01", "3F000") { // undefined table, undefined schema
		return fmt.Errorf("%w: %w", recsys.ErrVersionGone, err)
	}
	return err
}

// hasCode reports whether err comes from the server with one of these SQLSTATEs.
func hasCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	for _, code := range codes {
		if pg.Code == code {
			return true
		}
	}
	return false
}

// redact keeps the address, which may carry a password, out of an error. A file
// that it names and that cannot be read is said.
func redact(err error) error {
	var parse *pgconn.ParseConfigError
	var file *fs.PathError
	if errors.As(err, &parse) {
		if errors.As(err, &file) {
			return fmt.Errorf("the database address names a file: %w", file)
		}
		return errors.New("the database address is not understood")
	}
	return err
}

// Refused reports whether the server would not keep a text: Postgres stores no
// zero character, and nothing that is not UTF-8.
func Refused(err error) bool {
	return hasCode(err, "22021", "22P05") // character_not_in_repertoire, untranslatable_character
}

// Away reports whether the database could not be reached, or is stopping,
// starting or out of connections.
func Away(err error) bool {
	var refused *pgconn.ConnectError
	var pg *pgconn.PgError
	if errors.As(err, &refused) {
		return true
	}
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "08") || pg.Code == "53300"
	}
	return pgconn.SafeToRetry(err)
}
