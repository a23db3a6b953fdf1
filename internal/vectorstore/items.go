package vectorstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/pgvector/pgvector-go"

	"github.com/recflow/recflow/internal/recsys"
)

// ItemVectors is the vectors of those of the items that the version has.
func (s *Store) ItemVectors(ctx context.Context, v recsys.Version, ids []string) (map[string][]float32, error) {
	rows, err := s.db.Query(ctx, fmt.Sprintf(
		"SELECT item_id, embedding FROM %s.items WHERE item_id = ANY($1)", schemaOf(v.ID)), ids)
	if err != nil {
		return nil, fmt.Errorf("item vectors of version %d: %w", v.ID, translate(err))
	}
	vectors := make(map[string][]float32, len(ids))
	var id string
	var vector pgvector.Vector
	_, err = pgx.ForEachRow(rows, []any{&id, &vector}, func() error {
		vectors[id] = vector.Slice()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("item vectors of version %d: %w", v.ID, translate(err))
	}
	return vectors, nil
}

// Item is an item of a version and its vector, or recsys.ErrNotFound.
func (s *Store) Item(ctx context.Context, v recsys.Version, itemID string) (recsys.Item, []float32, error) {
	var item recsys.Item
	var vector pgvector.Vector
	err := s.db.QueryRow(ctx, fmt.Sprintf(`
		SELECT
			item_id,
			coalesce(title, ''),
			coalesce(category, ''),
			tags,
			%s,
			embedding
		FROM %s.items i
		WHERE item_id = $1`, availableNow, schemaOf(v.ID)), itemID).
		Scan(&item.ItemID, &item.Title, &item.Category, &item.Tags, &item.Available, &vector)
	if err != nil {
		return recsys.Item{}, nil, fmt.Errorf("item in version %d: %w", v.ID, translate(err))
	}
	return item, vector.Slice(), nil
}

// SetAvailable says whether an item may be recommended, from now on and in
// every version.
func (s *Store) SetAvailable(ctx context.Context, itemID string, available bool) error {
	_, err := s.db.Exec(ctx, `
		INSERT INTO recflow.item_state (item_id, available)
		VALUES ($1, $2)
		ON CONFLICT (item_id) DO UPDATE SET available = excluded.available, updated_at = now()`, itemID, available)
	if err != nil {
		return fmt.Errorf("set availability: %w", err)
	}
	return nil
}

// Popular is the K available items with the highest popularity under the
// query's filters, most popular first, ties by item id. Score is the popularity.
func (s *Store) Popular(ctx context.Context, v recsys.Version, q Query) ([]Hit, error) {
	if q.K <= 0 {
		return nil, nil
	}
	var b builder
	where := b.filters(q, availableNow)
	sql := fmt.Sprintf(`
		SELECT
			i.item_id,
			coalesce(i.title, ''),
			coalesce(i.category, ''),
			i.tags,
			i.popularity
		FROM %s.items i
		WHERE %s
		ORDER BY i.popularity DESC, i.item_id
		LIMIT %s`, schemaOf(v.ID), where, b.arg(q.K))
	rows, err := s.db.Query(ctx, sql, b.args...)
	if err != nil {
		return nil, fmt.Errorf("popular items of version %d: %w", v.ID, translate(err))
	}
	hits, err := pgx.CollectRows(rows, scanHit)
	if err != nil {
		return nil, fmt.Errorf("popular items of version %d: %w", v.ID, translate(err))
	}
	return hits, nil
}

func scanHit(row pgx.CollectableRow) (h Hit, err error) {
	h.Available = true
	return h, row.Scan(&h.ItemID, &h.Title, &h.Category, &h.Tags, &h.Score)
}
