package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// Token is the scopes and the state of an access token. The token itself is never
// stored, only its SHA-256.
type Token struct {
	ID        int64
	Name      string
	Scopes    []string
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	UsedAt    time.Time // with a precision of a minute; zero: never
	RevokedAt time.Time // zero: not revoked
}

// Valid reports whether the token is valid at a time.
func (t Token) Valid(at time.Time) bool {
	return t.RevokedAt.IsZero() && (t.ExpiresAt.IsZero() || at.Before(t.ExpiresAt))
}

const tokenColumns = "id, name, scopes, created_by, created_at, expires_at, used_at, revoked_at"

// NewToken is a token to store: what it allows, and its two parts.
type NewToken struct {
	Token
	Key    string            // public part, identifies the token
	Digest [sha256.Size]byte // of the secret
}

// CreateToken stores a token. It returns recsys.ErrConflict if a valid token
// has its name.
func (s *Store) CreateToken(ctx context.Context, n NewToken) (Token, error) {
	if len(n.Scopes) == 0 {
		return Token{}, errors.New("create token: at least one scope is required")
	}
	rows, err := s.db.Query(ctx, `
		INSERT INTO recflow.tokens (key, name, digest, scopes, created_by, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
		RETURNING `+tokenColumns, n.Key, n.Name, n.Digest[:], n.Scopes, n.CreatedBy, postgres.OrNull(n.ExpiresAt))
	if err != nil {
		return Token{}, fmt.Errorf("create token: %w", err)
	}
	created, err := pgx.CollectRows(rows, scanToken)
	if err == nil && len(created) == 0 {
		err = fmt.Errorf("a valid token has the name %s: %w", n.Name, recsys.ErrConflict)
	}
	if err != nil {
		return Token{}, fmt.Errorf("create token: %w", err)
	}
	return created[0], nil
}

// TokenByKey returns the token with this key, even if it is no longer valid,
// and the digest of its secret, or recsys.ErrNotFound. It records the time of
// use, at most once a minute.
func (s *Store) TokenByKey(ctx context.Context, key string) (t Token, digest []byte, err error) {
	rows, err := s.db.Query(ctx, `
		WITH used AS (
			UPDATE recflow.tokens
			SET used_at = date_trunc('minute', now())
			WHERE key = $1
			AND revoked_at IS NULL
			AND (used_at IS NULL OR used_at < date_trunc('minute', now()))
		)
		SELECT `+tokenColumns+", digest FROM recflow.tokens WHERE key = $1", key)
	if err != nil {
		return Token{}, nil, fmt.Errorf("look up a token: %w", err)
	}
	t, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (Token, error) {
		return scanTokenAnd(row, &digest)
	})
	if err != nil {
		return Token{}, nil, fmt.Errorf("look up a token: %w", postgres.Translate(err))
	}
	return t, digest, nil
}

// Tokens returns at most limit tokens with a smaller id than before, newest
// first; 0: from the newest.
func (s *Store) Tokens(ctx context.Context, before int64, limit int) ([]Token, error) {
	rows, err := s.db.Query(ctx, "SELECT "+tokenColumns+`
		FROM recflow.tokens
		WHERE $1 = 0 OR id < $1
		ORDER BY id DESC
		LIMIT $2`, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	tokens, err := pgx.CollectRows(rows, scanToken)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	return tokens, nil
}

// RevokeToken revokes a token permanently. It is idempotent. It returns
// recsys.ErrNotFound if the token does not exist.
func (s *Store) RevokeToken(ctx context.Context, id int64) (Token, error) {
	rows, err := s.db.Query(ctx, `
		UPDATE recflow.tokens
		SET revoked_at = coalesce(revoked_at, now())
		WHERE id = $1
		RETURNING `+tokenColumns, id)
	if err != nil {
		return Token{}, fmt.Errorf("revoke token: %w", err)
	}
	t, err := pgx.CollectExactlyOneRow(rows, scanToken)
	if err != nil {
		return Token{}, fmt.Errorf("revoke token: %w", postgres.Translate(err))
	}
	return t, nil
}

func scanToken(row pgx.CollectableRow) (Token, error) { return scanTokenAnd(row) }

// scanTokenAnd scans the tokenColumns and the columns after them.
func scanTokenAnd(row pgx.CollectableRow, after ...any) (t Token, err error) {
	var expires, used, revoked *time.Time
	err = row.Scan(append([]any{&t.ID, &t.Name, &t.Scopes, &t.CreatedBy, &t.CreatedAt, &expires, &used, &revoked}, after...)...)
	t.ExpiresAt, t.UsedAt, t.RevokedAt = postgres.OrZero(expires), postgres.OrZero(used), postgres.OrZero(revoked)
	return t, err
}
