package embeddings

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// notImpression is recsys.IsImpression, negated, as the partial index live_events_user
// has it.
const notImpression = "translate(l.event_type, 'IMPRESONİ_- ', 'impresoni') <> '" + recsys.Impression + "'"

// userEvents is the uncovered events of the user u that are not impressions, newest
// first, at most the given number. It is the negated predicate of
// recsys.Coverage.Covers as two ranges of an index, which has no impressions and the
// events of a user next to each other, in this order. Covered events are skipped
// within the index, so a user who has many of them costs little.
func userEvents(columns string, limit int) string {
	one := func(uncovered string) string {
		return fmt.Sprintf(`(
			SELECT %s
			FROM recflow.live_events l
			WHERE l.user_id = u.user_id AND %s AND %s
			ORDER BY l.user_id DESC, l.occurred_at DESC, l.event_id DESC
			LIMIT %d)`, columns, notImpression, uncovered, limit)
	}
	return one("l.occurred_at >= $2") + " UNION ALL " + one("l.occurred_at < $2 AND l.stored_at >= $3")
}

// uncoveredEvents reads the newest recsys.MaxUserEvents events of each user, oldest
// first, and with each how many more the user has. They are counted for the users who
// have as many only.
var uncoveredEvents = fmt.Sprintf(`
	WITH newest AS MATERIALIZED (
		SELECT e.*
		FROM unnest($1::text[]) AS u (user_id)
		CROSS JOIN LATERAL (
			SELECT *
			FROM (%s) l
			ORDER BY l.occurred_at DESC, l.event_id DESC
			LIMIT %d
		) e
	), more AS (
		SELECT u.user_id, (SELECT count(*) FROM (SELECT 1 FROM (%s) l LIMIT %d) l) - %[2]d AS n
		FROM (SELECT user_id FROM newest GROUP BY user_id HAVING count(*) = %[2]d) u
	)
	SELECT
		e.event_id,
		e.user_id,
		e.item_id,
		e.event_type,
		e.value,
		e.session_id,
		e.recommendation_id,
		e.occurred_at,
		e.stored_at,
		coalesce(m.n, 0)
	FROM newest e
	LEFT JOIN more m ON m.user_id = e.user_id
	ORDER BY e.user_id, e.occurred_at, e.event_id`,
	userEvents("*", recsys.MaxUserEvents), recsys.MaxUserEvents,
	userEvents("1", recsys.MaxUserEvents+recsys.MaxNotFolded), recsys.MaxUserEvents+recsys.MaxNotFolded)

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
		var more int
		_, err := pgx.ForEachRow(rows, []any{&e.EventID, &e.UserID, &e.ItemID, &e.EventType, &e.Value,
			&e.SessionID, &e.RecommendationID, &e.OccurredAt, &e.StoredAt, &more}, func() error {
			u := users[e.UserID]
			u.Events, u.NotFolded = append(u.Events, e), more
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
