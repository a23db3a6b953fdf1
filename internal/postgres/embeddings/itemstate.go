package embeddings

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// ItemState is the override of an item, and when it was changed last.
type ItemState struct {
	recsys.Override
	ByCatalog bool // Available comes from the catalog: an operator has not set it
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

const itemStateColumns = overriddenAvailable + ", st.title, st.category, st.tags, st.available IS NULL AND st.catalog_available IS NOT NULL, st.updated_at"

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
	rows, err := s.db.Query(ctx, "SELECT "+itemStateColumns+" FROM recflow.item_state st WHERE item_id = $1", itemID)
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
	return st, row.Scan(&st.Available, &st.Title, &st.Category, &st.Tags, &st.ByCatalog, &st.UpdatedAt)
}

// database identifies the history of item_changes: a restore starts another server,
// or creates the table again.
const database = "tableoid || ' ' || extract(epoch FROM pg_postmaster_start_time())"

const selectOverrideRevision = "SELECT " + database + ", revision FROM recflow.item_changes"

// OverrideChanges is the overrides that have changed since a revision, by item id. An
// override without values was removed.
type OverrideChanges struct {
	Overrides map[string]recsys.Override
	All       bool // Overrides is all overrides: the earlier ones no longer count
	Revision  recsys.OverrideRevision
}

// OverridesSince returns the overrides that have changed since a revision, in one
// round trip. It returns all of them for the zero revision, after a deletion of rows
// by SQL, and if the revision is of another database or not reached yet, which means
// that the database was restored. The result is as of its Revision.
func (s *Store) OverridesSince(ctx context.Context, since recsys.OverrideRevision) (OverrideChanges, error) {
	c := OverrideChanges{Overrides: map[string]recsys.Override{}}
	// One statement reads one snapshot. Its first row exists without changes too.
	rows, err := s.db.Query(ctx, `
		WITH at AS (
			SELECT `+database+` AS database, revision, `+database+` <> $1 OR $2 < deleted OR $2 > revision AS everything
			FROM recflow.item_changes
			WHERE one
		)
		SELECT at.database, at.revision, at.everything, st.item_id, `+overriddenAvailable+`, st.title, st.category, st.tags
		FROM at
		LEFT JOIN recflow.item_state st ON st.revision > CASE WHEN at.everything THEN -1 ELSE $2 END`, since.Database, since.Number)
	if err != nil {
		return c, fmt.Errorf("overrides of items: %w", postgres.Translate(err))
	}
	var id *string
	var o recsys.Override
	_, err = pgx.ForEachRow(rows, []any{&c.Revision.Database, &c.Revision.Number, &c.All, &id, &o.Available, &o.Title, &o.Category, &o.Tags}, func() error {
		if id != nil {
			c.Overrides[*id] = o
		}
		o = recsys.Override{}
		return nil
	})
	if err != nil {
		return c, fmt.Errorf("overrides of items: %w", postgres.Translate(err))
	}
	return c, nil
}
