package postgres

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/recflow/recflow/internal/recsys"
)

// SQLSTATEs of a concurrent change by another transaction.
const (
	LockNotAvailable = "55P03"
	DeadlockDetected = "40P01"
)

// Translate maps the driver's errors to recsys's.
func Translate(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return recsys.ErrNotFound
	}
	if HasCode(err, "42P01", "3F000") { // undefined table, undefined schema
		return fmt.Errorf("%w: %w", recsys.ErrVersionGone, err)
	}
	return err
}

// HasCode reports whether err comes from the server with one of these SQLSTATEs.
func HasCode(err error, codes ...string) bool {
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

// FromServer reports whether err contains a message of the server.
func FromServer(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg)
}

// redact returns an error without the address, which may contain a password. It
// keeps the error of a file that the address names and that cannot be read.
func redact(err error) error {
	var parse *pgconn.ParseConfigError
	var file *fs.PathError
	if errors.As(err, &parse) {
		if errors.As(err, &file) {
			return fmt.Errorf("read a file named in the database address: %w", file)
		}
		return errors.New("the database address is invalid")
	}
	return err
}

// InvalidText reports whether the server rejected a text: Postgres stores only
// valid UTF-8 without NUL characters.
func InvalidText(err error) bool {
	return HasCode(err, "22021", "22P05") // character_not_in_repertoire, untranslatable_character
}

// Unavailable reports whether the database is unreachable, stopping, starting,
// read-only after a failover, or out of connections, memory or disk space.
func Unavailable(err error) bool {
	var refused *pgconn.ConnectError
	var pg *pgconn.PgError
	if errors.As(err, &refused) {
		return true
	}
	if errors.As(err, &pg) {
		return pg.Code == readOnly || slices.ContainsFunc([]string{"57P", "08", "53"}, func(class string) bool { return strings.HasPrefix(pg.Code, class) })
	}
	return pgconn.SafeToRetry(err)
}

// TimedOut reports whether the server canceled a statement that took longer than
// Options.StatementTimeout.
func TimedOut(err error) bool { return HasCode(err, "57014") } // query_canceled

// MayRecover reports whether an idempotent call may succeed when it is repeated: the
// database is unavailable, or the connection was lost.
func MayRecover(err error) bool {
	var lost *net.OpError
	return Unavailable(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &lost)
}

// TranslateLock wraps a lock timeout or a deadlock in recsys.ErrConflict and
// returns other errors unchanged.
func TranslateLock(err error) error {
	if HasCode(err, LockNotAvailable, DeadlockDetected) {
		return fmt.Errorf("a concurrent change holds the lock, try again: %w", recsys.ErrConflict)
	}
	return err
}
