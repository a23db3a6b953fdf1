package embeddings

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgvector/pgvector-go"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

const selectUser = `
	SELECT
		user_id,
		embedding,
		history_items,
		history_weights,
		reference_time,
		seen_items
	FROM %s.users
	`

// User returns a user of a version, or recsys.ErrNotFound.
func (s *Store) User(ctx context.Context, v recsys.Version, userID string) (recsys.User, error) {
	users, err := s.Users(ctx, v, []string{userID})
	if err != nil {
		return recsys.User{}, err
	}
	if len(users) == 0 {
		return recsys.User{}, fmt.Errorf("user in version %d: %w", v.ID, recsys.ErrNotFound)
	}
	return users[0], nil
}

// Users returns the users that exist in a version, in one round trip, ordered
// by id.
func (s *Store) Users(ctx context.Context, v recsys.Version, userIDs []string) ([]recsys.User, error) {
	rows, err := s.db.Query(ctx, fmt.Sprintf(selectUser+"WHERE user_id = ANY($1) ORDER BY user_id", postgres.SchemaOf(v.ID)), userIDs)
	return collectUsers(v, rows, err)
}

// SampleUsers returns n users with a vector (or all, if there are fewer), in a
// pseudorandom order that depends only on the seed.
func (s *Store) SampleUsers(ctx context.Context, v recsys.Version, n int, seed string) ([]recsys.User, error) {
	rows, err := s.db.Query(ctx, fmt.Sprintf(selectUser+`
		WHERE embedding IS NOT NULL
		ORDER BY md5($1 || user_id), user_id
		LIMIT $2`, postgres.SchemaOf(v.ID)), seed, n)
	return collectUsers(v, rows, err)
}

func collectUsers(v recsys.Version, rows pgx.Rows, err error) ([]recsys.User, error) {
	if err != nil {
		return nil, fmt.Errorf("users of version %d: %w", v.ID, postgres.Translate(err))
	}
	users, err := pgx.CollectRows(rows, scanUser)
	if err != nil {
		return nil, fmt.Errorf("users of version %d: %w", v.ID, postgres.Translate(err))
	}
	return users, nil
}

func scanUser(row pgx.CollectableRow) (u recsys.User, err error) {
	var vector *pgvector.Vector
	var reference *time.Time
	err = row.Scan(&u.ID, &vector, &u.History.Items, &u.History.Weights, &reference, &u.History.Seen)
	if vector != nil {
		u.Vector = vector.Slice()
	}
	u.History.Reference = postgres.OrZero(reference)
	return u, err
}
