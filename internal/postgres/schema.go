package postgres

import (
	"context"
	"fmt"
	"io/fs"
)

// CheckSchema returns an error with instructions if this binary does not work with the
// schema of the database. A migration only adds, so the next version of the schema
// works: a task of the old build restarts between the migration and the deployment, and
// the build before can be deployed again.
func (db *DB) CheckSchema(ctx context.Context) error {
	h, err := db.Health(ctx)
	if err != nil {
		return err
	}
	return h.CheckSchema()
}

// CheckSchema is DB.CheckSchema for versions that were read.
func (h Health) CheckSchema() error {
	switch {
	case h.SchemaVersion < h.SchemaWanted:
		return fmt.Errorf("the database has schema version %d and this binary needs %d; run `recflow database migrate` (`recflow up` also does this)", h.SchemaVersion, h.SchemaWanted)
	case h.SchemaVersion > h.SchemaWanted+1:
		return fmt.Errorf("the database has schema version %d and this binary supports up to %d; use a newer binary", h.SchemaVersion, h.SchemaWanted+1)
	}
	return nil
}

// Health is the versions of a database's schema and pgvector.
type Health struct {
	SchemaVersion   int // number of the last migration
	SchemaWanted    int // number that this binary needs
	PgvectorVersion string
}

// Health reads the versions of the database.
func (db *DB) Health(ctx context.Context) (h Health, err error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return h, err
	}
	h.SchemaWanted = len(files)
	err = db.QueryRow(ctx, `
		SELECT
			(SELECT version FROM recflow.schema_version),
			(SELECT extversion FROM pg_extension WHERE extname = 'vector')`).Scan(&h.SchemaVersion, &h.PgvectorVersion)
	if err != nil {
		return h, fmt.Errorf("read the schema version: %w", err)
	}
	return h, nil
}
