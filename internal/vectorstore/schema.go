package vectorstore

import (
	"context"
	"fmt"
	"io/fs"
)

// CheckSchema returns an error that says what to do when the database has not
// seen the migrations of this binary, or has seen later ones.
func (s *Store) CheckSchema(ctx context.Context) error {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	want, got := len(files), 0
	if err := s.pool.QueryRow(ctx, "SELECT version FROM recflow.schema_version").Scan(&got); err != nil {
		return fmt.Errorf("read the schema version: %w", err)
	}
	switch {
	case got < want:
		return fmt.Errorf("the database is at schema version %d and this binary needs %d: migrate it first (`recflow up` does)", got, want)
	case got > want:
		return fmt.Errorf("the database is at schema version %d and this binary knows %d: use a newer binary", got, want)
	}
	return nil
}
