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

// Token says what the holder of an access token may do. The token itself is
// never stored: only its SHA-256.
type Token struct {
	ID        int64
	Name      string
	Scopes    []string
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	UsedAt    time.Time // to the minute; zero: never
	RevokedAt time.Time // zero: it works
}

// Valid reports whether the token may be used at a time.
func (t Token) Valid(at time.Time) bool {
	return t.RevokedAt.IsZero() && (t.ExpiresAt.IsZero() || at.Before(t.ExpiresAt))
}

const tokenColumns = "id, name, scopes, created_by, created_at, expires_at, used_at, revoked_at"

// NewToken is a token to be kept: what its holder may do, and the two parts of it.
type NewToken struct {
	Token
	Key    string            // public, finds the token
	Digest [sha256.Size]byte // of the secret
}

// CreateToken keeps a token. It returns recsys.ErrConflict while another one has
// its name.
func (s *Store) CreateToken(ctx context.Context, n NewToken) (Token, error) {
	if len(n.Scopes) == 0 {
		return Token{}, errors.New("create token: it needs a scope")
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
		err = fmt.Errorf("a token that works has the name %s: %w", n.Name, recsys.ErrConflict)
	}
	if err != nil {
		return Token{}, fmt.Errorf("create token: %w", err)
	}
	return created[0], nil
}

// TokenByKey is the token with this key, also when it no longer works, and the
// digest of its secret; or recsys.ErrNotFound. It notes, once a minute, that it
// was asked for.
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

// Tokens lists at most limit tokens under an id, newest first. before is 0 for
// the newest ones.
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

// RevokeToken ends a token for good. Repeating it changes nothing. It returns
// recsys.ErrNotFound when there is no such token.
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

// scanTokenAnd scans the tokenColumns and what comes after them.
func scanTokenAnd(row pgx.CollectableRow, after ...any) (t Token, err error) {
	var expires, used, revoked *time.Time
	err = row.Scan(append([]any{&t.ID, &t.Name, &t.Scopes, &t.CreatedBy, &t.CreatedAt, &expires, &used, &revoked}, after...)...)
	t.ExpiresAt, t.UsedAt, t.RevokedAt = postgres.OrZero(expires), postgres.OrZero(used), postgres.OrZero(revoked)
	return t, err
}
