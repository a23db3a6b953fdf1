package embeddings

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/recsys"
)

// ItemState is the override of an item, and when it was changed last.
type ItemState struct {
	recsys.Override
	UpdatedAt time.Time
}

// ItemChange changes the overrides of an item. Nil leaves an override as it is,
// unless Reset names it, which removes it.
type ItemChange struct {
	Available       *bool
	Title, Category *string
	Tags            []string
	Reset           []string // available, title, category, tags
}

const itemStateColumns = "available, title, category, tags, updated_at"

// ChangeItem changes the overrides of an item: from now on and in every
// version, including those that do not have the item yet.
func (s *Store) ChangeItem(ctx context.Context, itemID string, c ItemChange) (ItemState, error) {
	rows, err := s.db.Query(ctx, `
		INSERT INTO recflow.item_state AS st (item_id, available, title, category, tags)
		VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (item_id) DO UPDATE SET
			available = CASE WHEN 'available' = ANY($6) THEN excluded.available ELSE coalesce(excluded.available, st.available) END,
			title = CASE WHEN 'title' = ANY($6) THEN excluded.title ELSE coalesce(excluded.title, st.title) END,
			category = CASE WHEN 'category' = ANY($6) THEN excluded.category ELSE coalesce(excluded.category, st.category) END,
			tags = CASE WHEN 'tags' = ANY($6) THEN excluded.tags ELSE coalesce(excluded.tags, st.tags) END,
			updated_at = clock_timestamp()
		RETURNING `+itemStateColumns,
		itemID, c.Available, c.Title, c.Category, c.Tags, append([]string{}, c.Reset...))
	if err != nil {
		return ItemState{}, fmt.Errorf("change the item: %w", err)
	}
	state, err := pgx.CollectExactlyOneRow(rows, scanItemState)
	if err != nil {
		return ItemState{}, fmt.Errorf("change the item: %w", err)
	}
	return state, nil
}

// ItemState returns the overrides of an item, or recsys.ErrNotFound.
func (s *Store) ItemState(ctx context.Context, itemID string) (ItemState, error) {
	rows, err := s.db.Query(ctx, "SELECT "+itemStateColumns+" FROM recflow.item_state WHERE item_id = $1", itemID)
	if err != nil {
		return ItemState{}, fmt.Errorf("read overrides of the item: %w", err)
	}
	state, err := pgx.CollectExactlyOneRow(rows, scanItemState)
	if errors.Is(err, pgx.ErrNoRows) {
		return ItemState{}, fmt.Errorf("read overrides of the item: %w", recsys.ErrNotFound)
	}
	if err != nil {
		return ItemState{}, fmt.Errorf("read overrides of the item: %w", err)
	}
	return state, nil
}

func scanItemState(row pgx.CollectableRow) (st ItemState, err error) {
	return st, row.Scan(&st.Available, &st.Title, &st.Category, &st.Tags, &st.UpdatedAt)
}
