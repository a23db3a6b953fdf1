package vectorstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/recsys"
)

// Exclusive lets one transaction of Audited at a time go on under a name, for a
// change of something that is not in this database and does not compare before
// it replaces. It returns recsys.ErrConflict when another one takes long.
func (s *Store) Exclusive(ctx context.Context, name string) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if err := setLockTimeout(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", name)
		return err
	})
	if hasCode(err, lockNotAvailable) {
		err = recsys.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	return nil
}
