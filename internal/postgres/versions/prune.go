package versions

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// PruneOptions configures what Prune keeps in addition to what it always keeps.
type PruneOptions struct {
	KeepRefused int           // newest refused versions kept for inspection
	KeepReady   int           // newest ready versions kept for a promotion, after the live one
	ReaderTTL   time.Duration // how long a reader may use a version that is no longer live
}

// Pin pins or unpins a version. Prune keeps pinned versions.
func (s *Store) Pin(ctx context.Context, version int64, pinned bool) error {
	tag, err := s.db.Exec(ctx, "UPDATE recflow.versions SET pinned = $2 WHERE id = $1 AND state <> 'dropped'", version, pinned)
	if err == nil && tag.RowsAffected() == 0 {
		err = recsys.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("pin version %d: %w", version, err)
	}
	return nil
}

// Prune drops the versions that are no longer needed and returns their numbers.
// It keeps the live version, the one that a rollback would return to, pinned
// ones, the newest ready ones that are newer than the live one (they may yet be
// promoted; of those for evaluation only the newest two), and the newest refused ones. A version
// that readers may still use or that an active backfill reads, and tables that are
// in use, are left for the next call. It also removes the leftovers of failed versions.
func (s *Store) Prune(ctx context.Context, o PruneOptions) (dropped []int64, err error) {
	rows, err := s.db.Query(ctx, prunable+" ORDER BY v.id LIMIT 1000", o.KeepRefused, o.ReaderTTL, o.KeepReady)
	if err != nil {
		return nil, fmt.Errorf("prune: %w", err)
	}
	candidates, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("prune: %w", err)
	}
	for _, version := range candidates {
		gone, err := s.pruneOne(ctx, version, o)
		switch {
		case postgres.HasCode(err, postgres.LockNotAvailable, postgres.DeadlockDetected):
			s.db.Log.InfoContext(ctx, "version is in use, dropping it next time", "version", version)
		case err != nil:
			return dropped, fmt.Errorf("prune version %d: %w", version, err)
		case gone:
			dropped = append(dropped, version)
		}
	}
	return dropped, nil
}

// pruneOne drops a version if it is still prunable under the lock of the live
// pointer. It releases that lock before it waits for the tables, so that a
// rollback never waits for readers of an old version.
func (s *Store) pruneOne(ctx context.Context, version int64, o PruneOptions) (gone bool, err error) {
	err = s.db.InTx(ctx, func(tx pgx.Tx) error {
		if _, err := lockLive(ctx, tx); err != nil {
			return err
		}
		state, err := lockVersion(ctx, tx, version)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, prunable+" AND v.id = $4", o.KeepRefused, o.ReaderTTL, o.KeepReady, version)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		gone = true
		if state == recsys.Failed {
			return nil
		}
		_, err = tx.Exec(ctx, "UPDATE recflow.versions SET state = 'dropped' WHERE id = $1", version)
		return err
	})
	if err != nil || !gone {
		return false, err
	}
	err = s.db.InTx(ctx, func(tx pgx.Tx) error { return dropSchema(ctx, tx, version) })
	return err == nil, err
}

// prunable selects what Prune may drop. $1: refused versions kept, $2:
// ReaderTTL, $3: ready versions kept.
const prunable = `
	SELECT v.id
	FROM recflow.versions v
	WHERE NOT v.pinned
	AND EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = 'v' || v.id)
	AND (v.left_live_at IS NULL OR v.left_live_at + $2::interval <= clock_timestamp())
	AND (v.state = 'dropped' OR NOT EXISTS (
		SELECT FROM recflow.backfills b WHERE b.version_id = v.id AND b.state IN ('pending', 'running', 'cancelling')))
	AND CASE v.state
		WHEN 'failed' THEN true
		WHEN 'dropped' THEN true -- its tables were in use during the last call
		WHEN 'refused' THEN v.id NOT IN (
			SELECT r.id FROM recflow.versions r WHERE r.state = 'refused' ORDER BY r.id DESC LIMIT $1)
		WHEN 'ready' THEN (v.id < (SELECT version_id FROM recflow.live)
				OR v.evaluation AND v.id NOT IN (
					SELECT e.id FROM recflow.versions e WHERE e.evaluation AND e.state = 'ready' ORDER BY e.id DESC LIMIT 2)
				OR NOT v.evaluation AND v.id NOT IN (
					SELECT r.id FROM recflow.versions r WHERE NOT r.evaluation AND NOT r.pinned AND r.state = 'ready' ORDER BY r.id DESC LIMIT $3))
			AND v.id IS DISTINCT FROM (SELECT version_id FROM recflow.live)
			AND v.id IS DISTINCT FROM (SELECT p.version_id FROM (` + previousLive + `) p)
		ELSE false
	END`
