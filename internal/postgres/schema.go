package postgres

import (
	"context"
	"fmt"
	"io/fs"
)

// CheckSchema returns an error that says what to do when the database has not
// seen the migrations of this binary, or has seen later ones.
func (db *DB) CheckSchema(ctx context.Context) error {
	h, err := db.Health(ctx)
	switch {
	case err != nil:
		return err
	case h.SchemaVersion < h.SchemaWanted:
		return fmt.Errorf("the database is at schema version %d and this binary needs %d: migrate it first with `recflow database migrate` (`recflow up` does it too)", h.SchemaVersion, h.SchemaWanted)
	case h.SchemaVersion > h.SchemaWanted:
		return fmt.Errorf("the database is at schema version %d and this binary knows %d: use a newer binary", h.SchemaVersion, h.SchemaWanted)
	}
	return nil
}

// Health says which schema and which pgvector a database has.
type Health struct {
	SchemaVersion   int // the number of its last migration
	SchemaWanted    int // by this binary
	PgvectorVersion string
}

// Health asks the database how it is.
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
