package embeddings

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/pgvector/pgvector-go"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// ItemVectors returns the vectors of the items that exist in the version.
func (s *Store) ItemVectors(ctx context.Context, v recsys.Version, ids []string) (map[string][]float32, error) {
	rows, err := s.db.Query(ctx, selectItemVectors(v), ids)
	if err != nil {
		return nil, fmt.Errorf("item vectors of version %d: %w", v.ID, postgres.Translate(err))
	}
	vectors := make(map[string][]float32, len(ids))
	var id string
	var vector pgvector.Vector
	_, err = pgx.ForEachRow(rows, []any{&id, &vector}, func() error {
		vectors[id] = vector.Slice()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("item vectors of version %d: %w", v.ID, postgres.Translate(err))
	}
	return vectors, nil
}

func selectItemVectors(v recsys.Version) string {
	return fmt.Sprintf("SELECT item_id, embedding FROM %s.items WHERE item_id = ANY($1)", postgres.SchemaOf(v.ID))
}

// Item returns an item of a version and its vector, or recsys.ErrNotFound.
func (s *Store) Item(ctx context.Context, v recsys.Version, itemID string) (recsys.Item, []float32, error) {
	var item recsys.Item
	var vector pgvector.Vector
	err := s.db.QueryRow(ctx, fmt.Sprintf(`
		SELECT %s,
			%s,
			i.embedding
		FROM %s.items i
		%s
		WHERE i.item_id = $1`, itemColumns, itemAvailable, postgres.SchemaOf(v.ID), withOverrides), itemID).
		Scan(&item.ItemID, &item.Title, &item.Category, &item.Tags, &item.Available, &vector)
	if err != nil {
		return recsys.Item{}, nil, fmt.Errorf("item in version %d: %w", v.ID, postgres.Translate(err))
	}
	return item, vector.Slice(), nil
}

// Titles returns the titles of the items that exist in the version.
func (s *Store) Titles(ctx context.Context, v recsys.Version, ids []string) (map[string]string, error) {
	rows, err := s.db.Query(ctx, fmt.Sprintf(`
		SELECT
			i.item_id,
			coalesce(st.title, i.title, '')
		FROM %s.items i
		%s
		WHERE i.item_id = ANY($1)`, postgres.SchemaOf(v.ID), withOverrides), ids)
	if err != nil {
		return nil, fmt.Errorf("titles in version %d: %w", v.ID, postgres.Translate(err))
	}
	titles := make(map[string]string, len(ids))
	var id, title string
	_, err = pgx.ForEachRow(rows, []any{&id, &title}, func() error {
		titles[id] = title
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("titles in version %d: %w", v.ID, postgres.Translate(err))
	}
	return titles, nil
}

// Popular returns the K available items with the highest popularity under the
// query's filters, in descending order, ties by item id. Score is the
// popularity.
func (s *Store) Popular(ctx context.Context, v recsys.Version, q recsys.Query) ([]recsys.Hit, error) {
	if q.K <= 0 {
		return nil, nil
	}
	sql, args := selectPopular(v, q)
	rows, err := s.db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("popular items of version %d: %w", v.ID, postgres.Translate(err))
	}
	hits, err := pgx.CollectRows(rows, scanHit)
	if err != nil {
		return nil, fmt.Errorf("popular items of version %d: %w", v.ID, postgres.Translate(err))
	}
	return hits, nil
}

func selectPopular(v recsys.Version, q recsys.Query) (string, []any) {
	var b builder
	where := b.filters(q)
	return fmt.Sprintf(`
		SELECT %s,
			i.popularity
		FROM %s.items i
		%s
		WHERE %s
		ORDER BY i.popularity DESC, i.item_id
		LIMIT %s`, itemColumns, postgres.SchemaOf(v.ID), withOverrides, where, b.arg(q.K)), b.args
}

// Popularity returns the popularity of an item of the version, and its rank
// among the available items, from 1. For an item that is not available it
// returns the rank that the item would have.
func (s *Store) Popularity(ctx context.Context, v recsys.Version, itemID string) (popularity float64, rank int64, err error) {
	err = s.db.QueryRow(ctx, fmt.Sprintf(`
		SELECT
			this.popularity,
			1 + (
				SELECT count(*)
				FROM %[1]s.items i
				%[2]s
				WHERE %[3]s
				AND i.popularity >= this.popularity
				AND (i.popularity > this.popularity OR i.item_id < this.item_id)
			)
		FROM %[1]s.items this
		WHERE this.item_id = $1`, postgres.SchemaOf(v.ID), withOverrides, itemAvailable), itemID).Scan(&popularity, &rank)
	if err != nil {
		return 0, 0, fmt.Errorf("popularity in version %d: %w", v.ID, postgres.Translate(err))
	}
	return popularity, rank, nil
}

func scanHit(row pgx.CollectableRow) (h recsys.Hit, err error) {
	h.Available = true
	return h, row.Scan(&h.ItemID, &h.Title, &h.Category, &h.Tags, &h.Score)
}
