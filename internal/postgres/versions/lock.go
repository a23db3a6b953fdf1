package versions

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// LockedVersion is a version and the live pointer, both locked.
type LockedVersion struct {
	Version  recsys.Version
	Revision int64 // of the live pointer; 0 before the first promotion
}

// LockVersion locks the live pointer and a version until the transaction of
// Audited ends, and returns their state, which cannot change in the meantime.
// Every requested change of a version begins with it, in the same lock order as
// promotions and Prune. It returns recsys.ErrConflict if it cannot get the
// locks in time.
func (s *Store) LockVersion(ctx context.Context, version int64) (h LockedVersion, err error) {
	err = s.db.InTx(ctx, func(tx pgx.Tx) error {
		at, err := lockLive(ctx, tx)
		if err != nil {
			return err
		}
		h.Revision = at.revision
		if _, err := lockVersion(ctx, tx, version); err != nil {
			return err
		}
		h.Version, err = versionByID(ctx, tx, version)
		return err
	})
	if err != nil {
		return LockedVersion{}, fmt.Errorf("lock version %d: %w", version, postgres.TranslateLock(err))
	}
	return h, nil
}

// LockLiveVersion is LockVersion for the live version. It may return
// recsys.ErrNoLiveVersion.
func (s *Store) LockLiveVersion(ctx context.Context) (live recsys.Live, err error) {
	err = s.db.InTx(ctx, func(tx pgx.Tx) error {
		if _, err := lockLive(ctx, tx); err != nil {
			return err
		}
		live, err = readLive(ctx, tx)
		return err
	})
	if err != nil {
		return recsys.Live{}, fmt.Errorf("lock the live version: %w", postgres.TranslateLock(err))
	}
	return live, nil
}

// Deletion is a request to drop a version.
type Deletion struct {
	Version        int64
	RollbackTarget bool // allows to drop the version that a rollback would return to
}

// Delete drops a version on request. It is idempotent. The version is marked as
// dropped at once; the next Prune deletes its data, after its readers have
// finished. It returns recsys.ErrConflict for a version that is live, pinned or
// loading, and for the one that a rollback would return to unless
// d.RollbackTarget is set.
func (s *Store) Delete(ctx context.Context, d Deletion) error {
	err := s.db.InTx(ctx, func(tx pgx.Tx) error {
		at, err := lockLive(ctx, tx)
		if err != nil {
			return err
		}
		state, err := lockVersion(ctx, tx, d.Version)
		if err != nil {
			return err
		}
		v, err := versionByID(ctx, tx, d.Version)
		if err != nil {
			return err
		}
		var target int64
		var below *int64
		err = tx.QueryRow(ctx, previousLive).Scan(&target, &below)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if why := dropBlocker(v, at, target, d); why != "" {
			return fmt.Errorf("%s: %w", why, recsys.ErrConflict)
		}
		if state == recsys.Failed {
			return nil // it has no data
		}
		_, err = tx.Exec(ctx, "SELECT recflow.drop_version($1)", d.Version)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete version %d: %w", d.Version, postgres.TranslateLock(err))
	}
	return nil
}

// dropBlocker returns why the version must not be dropped, or "".
func dropBlocker(v recsys.Version, at pointer, target int64, d Deletion) string {
	switch {
	case v.ID == at.version:
		return "it is live; promote another version first"
	case v.Pinned:
		return "it is pinned; unpin it first"
	case v.State == recsys.Loading:
		return "it is loading; cancel the refresh that creates it, which also drops it"
	case v.ID == target && !d.RollbackTarget:
		return "a rollback would return to it; confirm with rollback_target"
	}
	return ""
}
