package embeddings

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// HoldoutUsers calls fn for every hold-out user of a version, ordered by user
// id, with the user's events in (occurred_at, event_id) order. It reads a page
// of users at a time and holds no connection while fn runs, because fn needs
// connections itself.
func (s *Store) HoldoutUsers(ctx context.Context, v recsys.Version, fn func(userID string, history, answers []recsys.Event) error) error {
	for last := ""; ; {
		rows, err := s.holdoutAfter(ctx, v, last)
		if err != nil {
			return fmt.Errorf("hold-out of version %d: %w", v.ID, postgres.Translate(err))
		}
		if len(rows) == 0 {
			return nil
		}
		for start := 0; start < len(rows); {
			last = rows[start].UserID
			var history, answers []recsys.Event
			for ; start < len(rows) && rows[start].UserID == last; start++ {
				if rows[start].answer {
					answers = append(answers, rows[start].Event)
				} else {
					history = append(history, rows[start].Event)
				}
			}
			if err := fn(last, history, answers); err != nil {
				return err
			}
		}
	}
}

type holdoutRow struct {
	recsys.Event
	answer bool
}

// holdoutAfter reads the events of the users whose ids follow after.
func (s *Store) holdoutAfter(ctx context.Context, v recsys.Version, after string) ([]holdoutRow, error) {
	rows, err := s.db.Query(ctx, fmt.Sprintf(`
		SELECT
			user_id,
			event_id,
			item_id,
			event_type,
			value,
			occurred_at,
			answer
		FROM %[1]s.holdout
		WHERE user_id > $1
		AND user_id <= (
			SELECT max(user_id)
			FROM (SELECT user_id FROM %[1]s.holdout WHERE user_id > $1 ORDER BY user_id LIMIT $2) page)
		ORDER BY user_id, occurred_at, event_id`, postgres.SchemaOf(v.ID)), after, s.HoldoutPage)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (h holdoutRow, err error) {
		return h, row.Scan(&h.UserID, &h.EventID, &h.ItemID, &h.EventType, &h.Value, &h.OccurredAt, &h.answer)
	})
}

// PopularBaseline returns the non-personalized baseline for the version's
// hold-out: the available items by the number of users who like them, in
// descending order, ties by id. It does not count the hold-out users, whose
// answers the baseline is measured against. It is long enough to fill k
// positions for each of them after their seen items are excluded.
func (s *Store) PopularBaseline(ctx context.Context, v recsys.Version, bound recsys.HoldoutBound, k int) ([]string, error) {
	// 16 hex digits sort like the integers.
	rows, err := s.db.Query(ctx, fmt.Sprintf(`
		WITH held_out AS (
			SELECT item_id, count(*) AS likes
			FROM %[1]s.users u, unnest(u.history_items) AS item_id
			WHERE encode(substring(sha256(convert_to('holdout:' || u.user_id, 'UTF8')) FOR 8), 'hex') COLLATE "C" < $1
			GROUP BY item_id
		), histories AS (
			SELECT count(*) AS events
			FROM %[1]s.holdout
			WHERE NOT answer
			GROUP BY user_id
		)
		SELECT i.item_id
		FROM %[1]s.items i
		%[2]s
		LEFT JOIN held_out h ON h.item_id = i.item_id
		WHERE %[3]s
		ORDER BY i.popularity - coalesce(h.likes, 0) DESC, i.item_id
		LIMIT $2 + (SELECT coalesce(max(events), 0) FROM histories)`, postgres.SchemaOf(v.ID), withOverrides, itemAvailable), string(bound), k)
	if err != nil {
		return nil, fmt.Errorf("popular items for the hold-out of version %d: %w", v.ID, postgres.Translate(err))
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("popular items for the hold-out of version %d: %w", v.ID, postgres.Translate(err))
	}
	return ids, nil
}

// CountRows returns the number of rows in each of a version's tables.
func (s *Store) CountRows(ctx context.Context, v recsys.Version) (items, users, holdout int64, err error) {
	err = s.db.QueryRow(ctx, fmt.Sprintf(`
		SELECT
			(SELECT count(*) FROM %[1]s.items),
			(SELECT count(*) FROM %[1]s.users),
			(SELECT count(*) FROM %[1]s.holdout)`, postgres.SchemaOf(v.ID))).Scan(&items, &users, &holdout)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("count the rows of version %d: %w", v.ID, postgres.Translate(err))
	}
	return items, users, holdout, nil
}

// BadVectors counts the vectors that no search can use: not finite, of zero
// length, or with a dimension other than the version's.
func (s *Store) BadVectors(ctx context.Context, v recsys.Version) (items, users int64, err error) {
	const bad = "vector_norm(embedding) IN (0, 'NaN', 'Infinity') OR vector_dims(embedding) <> $1"
	err = s.db.QueryRow(ctx, fmt.Sprintf(`
		SELECT
			(SELECT count(*) FROM %[1]s.items WHERE `+bad+`),
			(SELECT count(*) FROM %[1]s.users WHERE `+bad+`)`, postgres.SchemaOf(v.ID)), v.Dimension).Scan(&items, &users)
	if err != nil {
		return 0, 0, fmt.Errorf("check the vectors of version %d: %w", v.ID, postgres.Translate(err))
	}
	return items, users, nil
}
