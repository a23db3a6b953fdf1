package versions

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// Held is a version and the live pointer at a moment in which nobody else
// changes them.
type Held struct {
	Version  recsys.Version
	Revision int64 // of the live pointer; 0 before the first promotion
}

// Hold keeps the live pointer and a version as they are until the transaction of
// Audited ends, and says how they are: what is decided on the answer is still
// true when it is done. Every change of a version that people ask for begins
// with it, in the order in which flips and Prune lock too. It returns
// recsys.ErrConflict when somebody else holds them for long.
func (s *Store) Hold(ctx context.Context, version int64) (h Held, err error) {
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
		return Held{}, fmt.Errorf("hold version %d: %w", version, postgres.Busy(err))
	}
	return h, nil
}

// HoldLive is Hold for the live version, or recsys.ErrNoLiveVersion.
func (s *Store) HoldLive(ctx context.Context) (live recsys.Live, err error) {
	err = s.db.InTx(ctx, func(tx pgx.Tx) error {
		if _, err := lockLive(ctx, tx); err != nil {
			return err
		}
		live, err = readLive(ctx, tx)
		return err
	})
	if err != nil {
		return recsys.Live{}, fmt.Errorf("hold the live version: %w", postgres.Busy(err))
	}
	return live, nil
}

// Deletion asks for a version to be dropped.
type Deletion struct {
	Version        int64
	RollbackTarget bool // also when a rollback would go to it
}

// Delete drops a version because a person says so. Repeating it changes nothing.
// Nobody can find the version from then on; its data goes with the next Prune,
// which waits for those who may still be reading it. It returns
// recsys.ErrConflict for a version that is live, pinned or loading, and for the
// one that a rollback would go to unless that is expressly meant.
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
		if why := keeps(v, at, target, d); why != "" {
			return fmt.Errorf("%s: %w", why, recsys.ErrConflict)
		}
		if state == recsys.Failed {
			return nil // it has no data
		}
		_, err = tx.Exec(ctx, "SELECT recflow.drop_version($1)", d.Version)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete version %d: %w", d.Version, postgres.Busy(err))
	}
	return nil
}

// keeps says why a version stays, if so.
func keeps(v recsys.Version, at pointer, target int64, d Deletion) string {
	switch {
	case v.ID == at.version:
		return "it is live: promote another one first"
	case v.Pinned:
		return "it is pinned: unpin it first"
	case v.State == recsys.Loading:
		return "it is loading: cancel the refresh that makes it, which removes it"
	case v.ID == target && !d.RollbackTarget:
		return "a rollback would go to it: say that this is meant"
	}
	return ""
}
