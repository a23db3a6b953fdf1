package events

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/recsys"
)

// uncompared selects the stored events that a baseline does not cover and that were
// stored before a time.
const uncompared = `
	FROM recflow.live_events
	WHERE stored_at < $3 AND NOT (occurred_at < $1 AND stored_at < $2)`

// CountSince returns the number of stored events that the baseline does not cover and
// that were stored before a time.
func (s *Store) CountSince(ctx context.Context, b recsys.Baseline, before time.Time) (n int64, err error) {
	err = s.db.QueryRow(ctx, "SELECT count(*)"+uncompared, b.To, b.StoredTo, before).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the events: %w", err)
	}
	return n, nil
}

// EachSince calls f for the events that CountSince counts, in the order of stored_at,
// until f fails.
func (s *Store) EachSince(ctx context.Context, b recsys.Baseline, before time.Time, f func(recsys.Event) error) error {
	rows, err := s.db.Query(ctx, `
		SELECT event_id, user_id, item_id, event_type, value, session_id, recommendation_id, occurred_at, stored_at`+uncompared+`
		ORDER BY stored_at, event_id`, b.To, b.StoredTo, before)
	if err == nil {
		var e recsys.Event
		_, err = pgx.ForEachRow(rows, []any{&e.EventID, &e.UserID, &e.ItemID, &e.EventType, &e.Value,
			&e.SessionID, &e.RecommendationID, &e.OccurredAt, &e.StoredAt}, func() error {
			event := e
			e.Value = nil
			return f(event)
		})
	}
	if err != nil {
		return fmt.Errorf("read the events: %w", err)
	}
	return nil
}
