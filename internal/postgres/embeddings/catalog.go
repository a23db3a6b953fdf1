package embeddings

import (
	"context"
	"fmt"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// CompareCatalogs counts the items of b that are not in a, and those of a
// that are not in b.
func (s *Store) CompareCatalogs(ctx context.Context, a, b recsys.Version) (added, lost int64, err error) {
	err = s.db.QueryRow(ctx, fmt.Sprintf(`
		SELECT
			count(*) FILTER (WHERE a.item_id IS NULL),
			count(*) FILTER (WHERE b.item_id IS NULL)
		FROM %s.items a
		FULL JOIN %s.items b ON b.item_id = a.item_id`, postgres.SchemaOf(a.ID), postgres.SchemaOf(b.ID))).Scan(&added, &lost)
	if err != nil {
		return 0, 0, fmt.Errorf("compare the items of versions %d and %d: %w", a.ID, b.ID, postgres.Translate(err))
	}
	return added, lost, nil
}
