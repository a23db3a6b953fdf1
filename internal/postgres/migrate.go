package postgres

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock serializes migrations of one database.
const migrationLock = 0x7265_6366_6c6f_77

// Migrate brings the database at url up to date. It is idempotent, and safe to
// run in several processes at the same time.
func Migrate(ctx context.Context, url string) error {
	return migrateThen(ctx, Options{URL: url}, func(context.Context, *pgx.Conn) error { return nil })
}

// migrateThen migrates and then calls next, under the migration lock.
func migrateThen(ctx context.Context, o Options, next func(context.Context, *pgx.Conn) error) error {
	o.StatementTimeout = 0 // a migration may rewrite a table, and waits for a concurrent one
	conn, err := connect(ctx, o)
	if err != nil {
		return fmt.Errorf("migrate: %w", redact(err))
	}
	defer conn.Close(context.WithoutCancel(ctx))

	// The lock also covers what tern does before it takes its own. Closing the
	// connection releases it.
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS recflow"); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	m, err := migrate.NewMigrator(ctx, conn, "recflow.schema_version")
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if err := m.LoadMigrations(files); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := m.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := updateExtension(ctx, conn); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return next(ctx, conn)
}

// updateExtension updates pgvector to the version of its library, which RDS upgrades
// with Postgres. The components refuse an old version, so it is refused here too.
func updateExtension(ctx context.Context, conn *pgx.Conn) error {
	var installed, available string
	err := conn.QueryRow(ctx, "SELECT installed_version, default_version FROM pg_available_extensions WHERE name = 'vector'").Scan(&installed, &available)
	if err != nil || installed == available {
		return errors.Join(err, acceptExtension(ctx, slog.New(slog.DiscardHandler), installed))
	}
	if _, err := conn.Exec(ctx, "ALTER EXTENSION vector UPDATE"); err != nil {
		// An extension of another owner may be new enough.
		if refused := acceptExtension(ctx, slog.New(slog.DiscardHandler), installed); refused != nil {
			return errors.Join(refused, err)
		}
		return nil
	}
	return acceptExtension(ctx, slog.New(slog.DiscardHandler), available)
}

// connect opens a single connection outside a pool.
func connect(ctx context.Context, o Options) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return nil, err
	}
	o.Name = cmp.Or(o.Name, "recflow-migrate")
	o.configure(config)
	if err := o.signIn(ctx, config); err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, config)
}
