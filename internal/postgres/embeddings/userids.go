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

// userHash is backfill.UserHash of the column user_id.
const userHash = "substr(sha256(convert_to(user_id, 'UTF8')), 1, 4)"

// UserIDs returns the ids of users of the version whose hash is in the range: at most
// limit that come after the given one, in ascending order of their bytes.
func (s *Store) UserIDs(ctx context.Context, v recsys.Version, hashes backfill.HashRange, after string, limit int) ([]string, error) {
	// An index has this order, so that a page reads no users before or after it.
	rows, err := s.db.Query(ctx, fmt.Sprintf(`
		SELECT user_id
		FROM %s.users
		WHERE user_id > $1 AND `+userHash+` BETWEEN $2 AND $3
		ORDER BY user_id
		LIMIT $4`, postgres.SchemaOf(v.ID)), after, hashBytes(hashes.First), hashBytes(hashes.Last), limit)
	return collectIDs(v, rows, err)
}

// NewUserIDs returns the ids of all users whose hash is in the range, who are not in
// the version, and who have events that it does not cover, in ascending order of
// their bytes.
func (s *Store) NewUserIDs(ctx context.Context, v recsys.Version, hashes backfill.HashRange) ([]string, error) {
	rows, err := s.db.Query(ctx, fmt.Sprintf(`
		SELECT user_id
		FROM (
			SELECT DISTINCT user_id
			FROM recflow.live_events
			WHERE `+uncovered+`
		) e
		WHERE `+userHash+` BETWEEN $3 AND $4
		AND NOT EXISTS (SELECT FROM %s.users u WHERE u.user_id = e.user_id)
		ORDER BY user_id`, postgres.SchemaOf(v.ID)), v.Coverage.To, v.Coverage.StoredTo, hashBytes(hashes.First), hashBytes(hashes.Last))
	return collectIDs(v, rows, err)
}

func collectIDs(v recsys.Version, rows pgx.Rows, err error) (ids []string, _ error) {
	if err == nil {
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return nil, fmt.Errorf("ids of users of version %d: %w", v.ID, postgres.Translate(err))
	}
	return ids, nil
}

func hashBytes(hash uint32) []byte { return binary.BigEndian.AppendUint32(nil, hash) }

// CountUsers returns the number of users that UserIDs and NewUserIDs return in total.
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
