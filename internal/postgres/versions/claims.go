package versions

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// Claim is the right to write one part (a slot) of a loading version, until the
// same part is claimed again. The token comes from a sequence of the database:
// attempt numbers of a workflow can repeat, tokens cannot.
type Claim struct {
	Version int64
	Slot    string
	Token   int64
	Done    bool  // the part was completed by an earlier claim
	Rows    int64 // number of rows of the completed part
}

// Claim claims a part of a version and replaces an earlier claim. It returns
// recsys.ErrFenced if the version has failed or was dropped, and
// recsys.ErrConflict if it is complete.
func (s *Store) Claim(ctx context.Context, version int64, slot string) (Claim, error) {
	c := Claim{Version: version, Slot: slot}
	err := s.db.InTx(ctx, func(tx pgx.Tx) error {
		if err := mustBeLoading(ctx, tx, version); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `
			INSERT INTO recflow.claims AS c (version_id, slot, token)
			VALUES ($1, $2, nextval('recflow.fencing_token'))
			ON CONFLICT (version_id, slot) DO UPDATE
			SET token = CASE WHEN c.done THEN c.token ELSE excluded.token END, claimed_at = now()
			RETURNING token, done, rows`, version, slot).Scan(&c.Token, &c.Done, &c.Rows)
	})
	if err != nil {
		return Claim{}, fmt.Errorf("claim %s of version %d: %w", slot, version, err)
	}
	return c, nil
}

// complete marks the part as done, in the transaction that wrote it. It returns
// recsys.ErrFenced if a newer claim exists or the version is no longer loading;
// the transaction must then be rolled back. Until the transaction ends, the
// part cannot be claimed and the version cannot fail.
func (c Claim) complete(ctx context.Context, tx pgx.Tx, rows int64) error {
	if err := mustBeLoading(ctx, tx, c.Version); err != nil {
		return fmt.Errorf("complete %s of version %d: %w", c.Slot, c.Version, err)
	}
	tag, err := tx.Exec(ctx, `
		UPDATE recflow.claims
		SET done = true, rows = $4
		WHERE version_id = $1 AND slot = $2 AND token = $3 AND NOT done`, c.Version, c.Slot, c.Token, rows)
	if err == nil && tag.RowsAffected() == 0 {
		err = recsys.ErrFenced
	}
	if err != nil {
		return fmt.Errorf("complete %s of version %d: %w", c.Slot, c.Version, err)
	}
	return nil
}

// check returns recsys.ErrFenced if the claim has been replaced.
func (c Claim) check(ctx context.Context, tx pgx.Tx) error {
	if err := mustBeLoading(ctx, tx, c.Version); err != nil {
		return err
	}
	var newest bool
	err := tx.QueryRow(ctx, "SELECT token = $3 FROM recflow.claims WHERE version_id = $1 AND slot = $2",
		c.Version, c.Slot, c.Token).Scan(&newest)
	if err == nil && !newest {
		err = recsys.ErrFenced
	}
	return postgres.Translate(err)
}

// mustBeLoading locks the state of the version until the transaction ends.
func mustBeLoading(ctx context.Context, tx pgx.Tx, version int64) error {
	var state recsys.State
	err := tx.QueryRow(ctx, "SELECT state FROM recflow.versions WHERE id = $1 FOR SHARE", version).Scan(&state)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return recsys.ErrNotFound
	case err != nil:
		return err
	case state == recsys.Failed || state == recsys.Dropped:
		return fmt.Errorf("version is %s: %w", state, recsys.ErrFenced)
	case state != recsys.Loading:
		return fmt.Errorf("version is %s: %w", state, recsys.ErrConflict)
	}
	return nil
}
