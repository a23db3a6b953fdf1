package versions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// Promotion is a request to promote a version.
type Promotion struct {
	Version    int64
	IfRevision *int64 // only while the live pointer is at this revision; nil: any
	Evaluation bool   // allows a version that is for evaluation
	Actor      string
	Reason     string
}

// LiveChange is one change of the live version.
type LiveChange struct {
	Revision    int64
	Version     int64
	FromVersion int64  // 0: none was live
	Kind        string // promote or rollback
	Actor       string
	Reason      string
	At          time.Time
}

// Live returns the live version, or recsys.ErrNoLiveVersion. A reader may cache
// the result for the ReaderTTL that is passed to Prune.
func (s *Store) Live(ctx context.Context) (recsys.Live, error) {
	live, err := readLive(ctx, s.db)
	if err != nil {
		return recsys.Live{}, fmt.Errorf("live version: %w", err)
	}
	return live, nil
}

// LivePointer names the live version, and the one that is about to be promoted.
type LivePointer struct {
	Version   int64 // 0 before the first promotion
	Revision  int64
	Candidate int64 // see PrepareReaders; 0: none
}

// LivePointer returns the live pointer. Unlike Live, it does not read the manifest.
func (s *Store) LivePointer(ctx context.Context) (p LivePointer, err error) {
	err = s.db.QueryRow(ctx, "SELECT coalesce(version_id, 0), revision, coalesce(candidate, 0) FROM recflow.live").
		Scan(&p.Version, &p.Revision, &p.Candidate)
	if err != nil {
		return LivePointer{}, fmt.Errorf("live version: %w", err)
	}
	return p, nil
}

func readLive(ctx context.Context, q postgres.Querier) (recsys.Live, error) {
	rows, err := q.Query(ctx, "SELECT l.revision, v.manifest, "+versionColumns+`
		FROM recflow.live l
		JOIN recflow.versions v ON v.id = l.version_id`)
	if err != nil {
		return recsys.Live{}, err
	}
	live, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (live recsys.Live, err error) {
		var manifest []byte
		if live.Version, err = scanVersionAfter(row, &live.Revision, &manifest); err != nil {
			return live, err
		}
		return live, json.Unmarshal(manifest, &live.Manifest)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return recsys.Live{}, recsys.ErrNoLiveVersion
	}
	return live, err
}

// LiveSince returns when the live version was last promoted, or
// recsys.ErrNoLiveVersion. A rollback does not reset this time.
func (s *Store) LiveSince(ctx context.Context) (time.Time, error) {
	var at *time.Time
	err := s.db.QueryRow(ctx, `
		SELECT max(f.at)
		FROM recflow.live l
		JOIN recflow.live_changes f ON f.version_id = l.version_id AND f.kind = 'promote'`).Scan(&at)
	if err == nil && at == nil {
		err = recsys.ErrNoLiveVersion
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("promotion of the live version: %w", err)
	}
	return *at, nil
}

// Promote promotes a ready version. It is idempotent. It returns
// recsys.ErrConflict if the pointer has moved from IfRevision or the version is
// not ready, and recsys.ErrGateRefused if a gate refused the version or it does
// not cover events that were deleted.
func (s *Store) Promote(ctx context.Context, p Promotion) (live recsys.Live, err error) {
	err = s.db.InTx(ctx, func(tx pgx.Tx) error {
		at, err := lockLive(ctx, tx)
		if err != nil {
			return err
		}
		if at.version != p.Version {
			if p.IfRevision != nil && *p.IfRevision != at.revision {
				return fmt.Errorf("the live pointer is at revision %d, not %d: %w", at.revision, *p.IfRevision, recsys.ErrConflict)
			}
			if err := refuseEvaluation(ctx, tx, p); err != nil {
				return err
			}
			if err := checkPromotable(ctx, tx, p.Version); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "SELECT recflow.promote($1, $2, $3, $4, $5)", p.Version, at.revision, p.Evaluation, p.Actor, p.Reason)
			if err != nil {
				return err
			}
		}
		live, err = readLive(ctx, tx)
		return err
	})
	if err != nil {
		return recsys.Live{}, fmt.Errorf("promote version %d: %w", p.Version, err)
	}
	return live, nil
}

// refuseEvaluation returns an error for the accidental promotion of a version
// for evaluation.
func refuseEvaluation(ctx context.Context, tx pgx.Tx, p Promotion) error {
	if p.Evaluation {
		return nil
	}
	v, err := versionByID(ctx, tx, p.Version)
	if err == nil && v.Evaluation {
		err = fmt.Errorf("it is for evaluation, trained as of %s: %w", v.Coverage.To.Format(time.RFC3339), recsys.ErrConflict)
	}
	return err
}

// Rollback returns to the version that was live before the current one, if it
// is still ready. Another call goes further back. It returns recsys.ErrNotFound
// if there is none, and recsys.ErrConflict if it cannot get the locks in time.
func (s *Store) Rollback(ctx context.Context, actor, reason string) (live recsys.Live, err error) {
	err = s.db.InTx(ctx, func(tx pgx.Tx) error {
		at, err := lockLive(ctx, tx)
		if err != nil {
			return err
		}
		if at.version == 0 {
			return recsys.ErrNoLiveVersion
		}
		var target int64
		var below *int64
		err = tx.QueryRow(ctx, previousLive).Scan(&target, &below)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("no earlier version to roll back to: %w", recsys.ErrNotFound)
		}
		if err != nil {
			return err
		}
		// Its promotion was explicit; a rollback is not.
		if err := refuseEvaluation(ctx, tx, Promotion{Version: target}); err != nil {
			return fmt.Errorf("version %d: %w", target, err)
		}
		if err := checkPromotable(ctx, tx, target); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SELECT recflow.roll_back($1, $2, $3)", at.revision, actor, reason); err != nil {
			return err
		}
		live, err = readLive(ctx, tx)
		return err
	})
	if err != nil {
		return recsys.Live{}, fmt.Errorf("roll back: %w", postgres.TranslateLock(err))
	}
	return live, nil
}

// previousLive selects the version that a rollback returns to, and the entry
// below it.
const previousLive = "SELECT version_id, below FROM recflow.previous_live()"

// pointer is the live pointer; version is 0 if none is live.
type pointer struct{ version, revision int64 }

// lockLive locks the live pointer.
func lockLive(ctx context.Context, tx pgx.Tx) (at pointer, err error) {
	if err := postgres.SetLockTimeout(ctx, tx); err != nil {
		return at, err
	}
	err = tx.QueryRow(ctx, "SELECT coalesce(version_id, 0), revision FROM recflow.live FOR UPDATE").Scan(&at.version, &at.revision)
	return at, err
}

// checkPromotable locks a version and returns an error if it must not be promoted.
func checkPromotable(ctx context.Context, tx pgx.Tx, version int64) error {
	state, err := lockVersion(ctx, tx, version)
	if err != nil {
		return err
	}
	switch state {
	case recsys.Ready:
	case recsys.Refused:
		gates, err := gatesOf(ctx, tx, version)
		if err != nil {
			return err
		}
		return fmt.Errorf("refused: %w: %s", recsys.ErrGateRefused, strings.Join(refusals(gates), "; "))
	default:
		return fmt.Errorf("version is %s, not ready: %w", state, recsys.ErrConflict)
	}
	v, err := versionByID(ctx, tx, version)
	if err != nil {
		return err
	}
	// Shared with other promotions; DropCoveredEvents waits for them.
	h, err := readHorizon(ctx, tx, "FOR SHARE")
	if err != nil {
		return err
	}
	if !h.Covers(v.Coverage) {
		return fmt.Errorf("%w: %s: it covers events until %s, stored until %s, but later ones were deleted (before %s, stored before %s)",
			recsys.ErrGateRefused, recsys.GateHorizon,
			v.Coverage.To.Format(time.RFC3339), v.Coverage.StoredTo.Format(time.RFC3339),
			h.OccurredBefore.Format(time.RFC3339), h.StoredBefore.Format(time.RFC3339))
	}
	return nil
}

// LiveChanges returns at most limit changes of the live version, newest first.
func (s *Store) LiveChanges(ctx context.Context, limit int) ([]LiveChange, error) {
	return s.liveChanges(ctx, 0, limit)
}

// LiveChangesTo returns at most limit changes that made a version live, newest first.
func (s *Store) LiveChangesTo(ctx context.Context, version int64, limit int) ([]LiveChange, error) {
	return s.liveChanges(ctx, version, limit)
}

// liveChanges returns the changes to a version, or to any version if it is 0.
func (s *Store) liveChanges(ctx context.Context, version int64, limit int) ([]LiveChange, error) {
	rows, err := s.db.Query(ctx, `
		SELECT revision, version_id, coalesce(from_version, 0), kind, actor, reason, at
		FROM recflow.live_changes
		WHERE $1 = 0 OR version_id = $1
		ORDER BY revision DESC
		LIMIT $2`, version, limit)
	if err != nil {
		return nil, fmt.Errorf("list promotions: %w", err)
	}
	changes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f LiveChange, err error) {
		return f, row.Scan(&f.Revision, &f.Version, &f.FromVersion, &f.Kind, &f.Actor, &f.Reason, &f.At)
	})
	if err != nil {
		return nil, fmt.Errorf("list promotions: %w", err)
	}
	return changes, nil
}
