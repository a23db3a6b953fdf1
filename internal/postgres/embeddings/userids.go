package embeddings

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// uncovered is the negated predicate of recsys.Coverage.Covers, for the columns of
// live_events. $1: covers_to, $2: stored_to.
const uncovered = "NOT (occurred_at < $1 AND stored_at < $2)"

// UserIDs returns the ids of users whose hash is in the range: those of the
// version, and those with events that it does not cover. It returns at most limit
// ids that come after the given one, in ascending order of their bytes.
func (s *Store) UserIDs(ctx context.Context, v recsys.Version, hashes backfill.HashRange, after string, limit int) ([]string, error) {
	// The hash of backfill.UserHash. OFFSET keeps the planner from reading and
	// sorting all users for a page: an index has this order.
	const page = `
		SELECT user_id
		FROM (
			SELECT user_id
			FROM %s
			WHERE user_id > $3
			ORDER BY user_id
			OFFSET 0
		) u
		WHERE substr(sha256(convert_to(user_id, 'UTF8')), 1, 4) BETWEEN $4 AND $5
		LIMIT $6`
	rows, err := s.db.Query(ctx, fmt.Sprintf(`
		SELECT user_id
		FROM (
			(`+page+`)
			UNION
			(`+page+`)
		) all_users
		ORDER BY user_id
		LIMIT $6`, postgres.SchemaOf(v.ID)+".users", "(SELECT DISTINCT user_id FROM recflow.live_events WHERE "+uncovered+") e"),
		v.Coverage.To, v.Coverage.StoredTo, after, hashBytes(hashes.First), hashBytes(hashes.Last), limit)
	if err != nil {
		return nil, fmt.Errorf("ids of users of version %d: %w", v.ID, postgres.Translate(err))
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("ids of users of version %d: %w", v.ID, postgres.Translate(err))
	}
	return ids, nil
}

func hashBytes(hash uint32) []byte { return binary.BigEndian.AppendUint32(nil, hash) }

// CountUsers returns the number of users that UserIDs returns in total.
func (s *Store) CountUsers(ctx context.Context, v recsys.Version) (n int64, err error) {
	err = s.db.QueryRow(ctx, fmt.Sprintf(`
		SELECT
			(SELECT count(*) FROM %[1]s.users) + (
				SELECT count(DISTINCT e.user_id)
				FROM recflow.live_events e
				WHERE `+uncovered+`
				AND NOT EXISTS (SELECT FROM %[1]s.users u WHERE u.user_id = e.user_id)
			)`, postgres.SchemaOf(v.ID)), v.Coverage.To, v.Coverage.StoredTo).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the users of version %d: %w", v.ID, postgres.Translate(err))
	}
	return n, nil
}
