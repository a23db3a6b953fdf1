package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/recsys"
)

// lockTimeout is how long a statement may wait for a lock before it gives way.
// Waiting longer would queue the readers that come after it.
const lockTimeout = 2 * time.Second

// SetLockTimeout bounds the wait for locks in this transaction.
func SetLockTimeout(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", fmt.Sprintf("%dms", lockTimeout.Milliseconds()))
	return err
}

// Exclusive lets one transaction at a time go on under a name, for a
// change of something that is not in this database and does not compare before
// it replaces. It returns recsys.ErrConflict when another one takes long.
func (db *DB) Exclusive(ctx context.Context, name string) error {
	err := db.InTx(ctx, func(tx pgx.Tx) error {
		if err := SetLockTimeout(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", name)
		return err
	})
	if HasCode(err, LockNotAvailable) {
		err = recsys.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	return nil
}
