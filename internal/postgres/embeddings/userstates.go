package embeddings

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// The negated predicate of recsys.Coverage.Covers. OFFSET keeps the planner
// from scanning the whole table for many users: each user's events are adjacent
// in an index, in this order.
const uncoveredEvents = `
	SELECT
		e.event_id,
		e.user_id,
		e.item_id,
		e.event_type,
		e.value,
		e.session_id,
		e.recommendation_id,
		e.occurred_at,
		e.stored_at
	FROM unnest($1::text[]) AS u (user_id)
	CROSS JOIN LATERAL (
		SELECT *
		FROM recflow.live_events l
		WHERE l.user_id = u.user_id AND NOT (l.occurred_at < $2 AND l.stored_at < $3)
		ORDER BY l.user_id, l.occurred_at, l.event_id
		OFFSET 0
	) e`

// UserStates returns the state of each user under the version, in the order of
// the ids and in one round trip. The ids must be distinct. A cached list of items is
// valid while the revision of the overrides is the same.
func (s *Store) UserStates(ctx context.Context, v recsys.Version, ids []string) (states []recsys.UserState, revision recsys.OverrideRevision, err error) {
	users := make(map[string]*recsys.UserState, len(ids))
	for _, id := range ids {
		users[id] = &recsys.UserState{User: recsys.User{ID: id}}
	}
	batch := &pgx.Batch{}
	batch.Queue(fmt.Sprintf(selectUser+"WHERE user_id = ANY($1) LIMIT $2", postgres.SchemaOf(v.ID)), ids, len(ids)).
		Query(func(rows pgx.Rows) error {
			found, err := pgx.CollectRows(rows, scanUser)
			for _, u := range found {
				users[u.ID].User = u
			}
			return err
		})
	batch.Queue(uncoveredEvents, ids, v.Coverage.To, v.Coverage.StoredTo).Query(func(rows pgx.Rows) error {
		var e recsys.Event
		_, err := pgx.ForEachRow(rows, []any{&e.EventID, &e.UserID, &e.ItemID, &e.EventType, &e.Value,
			&e.SessionID, &e.RecommendationID, &e.OccurredAt, &e.StoredAt}, func() error {
			users[e.UserID].Events = append(users[e.UserID].Events, e)
			e.Value = nil
			return nil
		})
		return err
	})
	batch.Queue(selectOverrideRevision).QueryRow(func(row pgx.Row) error { return row.Scan(&revision.Database, &revision.Number) })
	if v.Dimension > 0 && s.cache.first(v.ID) { // otherwise only its users can be read
		primeStatements(batch, v)
	}
	if err := s.db.SendBatch(ctx, batch).Close(); err != nil {
		return nil, revision, fmt.Errorf("states of users under version %d: %w", v.ID, postgres.Translate(err))
	}
	states = make([]recsys.UserState, len(ids))
	for i, id := range ids {
		states[i] = *users[id]
	}
	return states, revision, nil
}

// primeStatements adds the statements that lists need to the first read of a version,
// with a limit of zero rows. The driver asks for the types of new statements
// once, and for all statements of a pipeline together, so a batch after a
// promotion waits for them once instead of four times.
func primeStatements(batch *pgx.Batch, v recsys.Version) {
	none := recsys.Query{Vector: make([]float32, v.Dimension), K: -recsys.Spare, Exclude: []string{""}}
	batch.Queue(selectItemVectors(v), []string{})
	sql, args := selectPopular(v, recsys.Query{})
	batch.Queue(sql, args...)
	sql, args = plan{exact: true}.statement(v, none)
	batch.Queue(sql, args...)
	if v.Search.Method == recsys.HNSW {
		sql, args = plan{}.statement(v, none)
		batch.Queue(sql, args...)
	}
}
