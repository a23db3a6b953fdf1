package versions

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
)

// Size is the size of a version on disk, in bytes: its tables with their b-tree
// indexes, and separately the graph of the items, 0 if there is none.
type Size struct {
	Items, Users, Holdout, Graph int64
}

// Size measures a version. It returns zero if its data was dropped.
func (s *Store) Size(ctx context.Context, version int64) (Size, error) {
	var size Size
	err := s.db.QueryRow(ctx, `
		SELECT
			coalesce(pg_total_relation_size(to_regclass(@schema || '.items')), 0) - graph,
			coalesce(pg_total_relation_size(to_regclass(@schema || '.users')), 0),
			coalesce(pg_total_relation_size(to_regclass(@schema || '.holdout')), 0),
			graph
		FROM coalesce(pg_relation_size(to_regclass(@schema || '.items_embedding')), 0) AS graph`,
		pgx.NamedArgs{"schema": postgres.SchemaOf(version)}).Scan(&size.Items, &size.Users, &size.Holdout, &size.Graph)
	if err != nil {
		return Size{}, fmt.Errorf("measure version %d: %w", version, err)
	}
	return size, nil
}
