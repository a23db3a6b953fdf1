package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// lockTimeout limits how long a statement waits for a lock. A longer wait would
// block the readers that queue behind it.
const lockTimeout = 2 * time.Second

// SetLockTimeout limits the wait for locks in this transaction.
func SetLockTimeout(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", fmt.Sprintf("%dms", lockTimeout.Milliseconds()))
	return err
}

// Exclusive takes an advisory lock on name until the transaction of db ends (see
// Transaction), for a change outside this database that is not a compare-and-set.
// It returns recsys.ErrConflict if it cannot get the lock in time.
func (db *DB) Exclusive(ctx context.Context, name string) error {
	err := db.InTx(ctx, func(tx pgx.Tx) error {
		if err := SetLockTimeout(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", name)
		return err
	})
	if err != nil {
		return fmt.Errorf("lock %s: %w", name, TranslateLock(err))
	}
	return nil
}
