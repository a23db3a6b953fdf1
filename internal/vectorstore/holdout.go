package vectorstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/recsys"
)

// HoldoutUsers calls fn for every hold-out user of a version, ordered by user
// id, with the user's events in (occurred_at, event_id) order. It holds one
// user's events in memory, and one connection while fn runs.
func (s *Store) HoldoutUsers(ctx context.Context, v recsys.Version, fn func(userID string, history, answers []recsys.Event) error) error {
	rows, err := s.pool.Query(ctx, fmt.Sprintf(`
		SELECT
			user_id,
			event_id,
			item_id,
			event_type,
			value,
			occurred_at,
			answer
		FROM %s.holdout
		ORDER BY user_id, occurred_at, event_id`, schemaOf(v.ID)))
	if err != nil {
		return fmt.Errorf("hold-out of version %d: %w", v.ID, translate(err))
	}
	var e recsys.Event
	var isAnswer bool
	var user string
	var history, answers []recsys.Event
	emit := func() error {
		if len(history)+len(answers) == 0 {
			return nil
		}
		return fn(user, history, answers)
	}
	_, err = pgx.ForEachRow(rows, []any{&e.UserID, &e.EventID, &e.ItemID, &e.EventType, &e.Value, &e.OccurredAt, &isAnswer}, func() error {
		if e.UserID != user {
			if err := emit(); err != nil {
				return err
			}
			user, history, answers = e.UserID, nil, nil
		}
		if isAnswer {
			answers = append(answers, e)
		} else {
			history = append(history, e)
		}
		return nil
	})
	if err == nil {
		err = emit()
	}
	if err != nil {
		return fmt.Errorf("hold-out of version %d: %w", v.ID, translate(err))
	}
	return nil
}

// PopularBaseline is what a list without any user in it would offer to the
// version's hold-out: the available items by the number of users who like them,
// most first, ties by id. The hold-out users themselves do not count, whose
// answers the list is measured by. It is long enough to fill k places for each
// of them after what that user has met is left out.
func (s *Store) PopularBaseline(ctx context.Context, v recsys.Version, bound recsys.HoldoutBound, k int) ([]string, error) {
	// 16 hex digits order as the integers do.
	rows, err := s.pool.Query(ctx, fmt.Sprintf(`
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
		LEFT JOIN held_out h ON h.item_id = i.item_id
		WHERE %[2]s
		ORDER BY i.popularity - coalesce(h.likes, 0) DESC, i.item_id
		LIMIT $2 + (SELECT coalesce(max(events), 0) FROM histories)`, schemaOf(v.ID), availableByScan), string(bound), k)
	if err != nil {
		return nil, fmt.Errorf("popular items for the hold-out of version %d: %w", v.ID, translate(err))
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("popular items for the hold-out of version %d: %w", v.ID, translate(err))
	}
	return ids, nil
}

// CountRows counts the rows of a version's tables.
func (s *Store) CountRows(ctx context.Context, v recsys.Version) (items, users, holdout int64, err error) {
	err = s.pool.QueryRow(ctx, fmt.Sprintf(`
		SELECT
			(SELECT count(*) FROM %[1]s.items),
			(SELECT count(*) FROM %[1]s.users),
			(SELECT count(*) FROM %[1]s.holdout)`, schemaOf(v.ID))).Scan(&items, &users, &holdout)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("count the rows of version %d: %w", v.ID, translate(err))
	}
	return items, users, holdout, nil
}

// BadVectors counts the vectors that no search can use: not finite, of no
// length, or of another dimension than the version's.
func (s *Store) BadVectors(ctx context.Context, v recsys.Version) (items, users int64, err error) {
	const bad = "vector_norm(embedding) IN (0, 'NaN', 'Infinity') OR vector_dims(embedding) <> $1"
	err = s.pool.QueryRow(ctx, fmt.Sprintf(`
		SELECT
			(SELECT count(*) FROM %[1]s.items WHERE `+bad+`),
			(SELECT count(*) FROM %[1]s.users WHERE `+bad+`)`, schemaOf(v.ID)), v.Dimension).Scan(&items, &users)
	if err != nil {
		return 0, 0, fmt.Errorf("check the vectors of version %d: %w", v.ID, translate(err))
	}
	return items, users, nil
}
