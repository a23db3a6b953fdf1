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

// dropTimeout limits how long Fail waits for writers to release the tables. A
// writer whose client is gone releases them within a second.
const dropTimeout = 30 * time.Second

// MarkReady records the gates of a loading version and makes it ready. It
// returns recsys.ErrGateRefused if one of the gates refuses it.
func (s *Store) MarkReady(ctx context.Context, version int64, gates []recsys.GateResult) error {
	if refused := refusals(gates); len(refused) > 0 {
		return fmt.Errorf("mark version %d ready: %w: %s", version, recsys.ErrGateRefused, strings.Join(refused, "; "))
	}
	return s.finish(ctx, version, recsys.Ready, "", gates)
}

// MarkRefused records the gates of a version and makes it refused. Its data is
// kept for inspection. A ready version can still be refused, when it is
// compared with a newer live one, but not the live version.
func (s *Store) MarkRefused(ctx context.Context, version int64, gates []recsys.GateResult) error {
	return s.finish(ctx, version, recsys.Refused, strings.Join(refusals(gates), "; "), gates)
}

// finish sets the final state of a version. It is idempotent.
func (s *Store) finish(ctx context.Context, version int64, to recsys.State, failure string, gates []recsys.GateResult) error {
	err := s.db.InTx(ctx, func(tx pgx.Tx) error {
		state, err := lockVersion(ctx, tx, version)
		if err != nil {
			return err
		}
		if state != to {
			// A promotion also locks the version, so it cannot go live
			// in the meantime.
			tag, err := tx.Exec(ctx, `
				UPDATE recflow.versions v
				SET state = $2, failure = $3, ready_at = CASE WHEN $2 = 'ready' THEN now() END
				WHERE v.id = $1
				AND (v.state = 'loading' OR v.state = 'ready' AND $2 = 'refused'
					AND NOT EXISTS (SELECT FROM recflow.live l WHERE l.version_id = v.id))`,
				version, string(to), failure)
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 {
				return fmt.Errorf("version is %s: %w", state, recsys.ErrConflict)
			}
		}
		return replaceGates(ctx, tx, version, gates)
	})
	if err != nil {
		return fmt.Errorf("mark version %d %s: %w", version, to, err)
	}
	return nil
}

func replaceGates(ctx context.Context, tx pgx.Tx, version int64, gates []recsys.GateResult) error {
	batch := &pgx.Batch{}
	batch.Queue("DELETE FROM recflow.gates WHERE version_id = $1", version)
	for i, g := range gates {
		result, err := json.Marshal(g)
		if err != nil {
			return fmt.Errorf("gate %s: %w", g.Gate, err)
		}
		batch.Queue("INSERT INTO recflow.gates (version_id, position, result) VALUES ($1, $2, $3)", version, i, result)
	}
	return tx.SendBatch(ctx, batch).Close()
}

// Gates returns the results of the gates, in the order they were recorded; it
// is empty before they ran.
func (s *Store) Gates(ctx context.Context, version int64) ([]recsys.GateResult, error) {
	gates, err := gatesOf(ctx, s.db, version)
	if err != nil {
		return nil, fmt.Errorf("gates of version %d: %w", version, err)
	}
	return gates, nil
}

func gatesOf(ctx context.Context, q postgres.Querier, version int64) ([]recsys.GateResult, error) {
	rows, err := q.Query(ctx, "SELECT result FROM recflow.gates WHERE version_id = $1 ORDER BY position LIMIT 100", version)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (g recsys.GateResult, err error) {
		var result []byte
		if err := row.Scan(&result); err != nil {
			return g, err
		}
		return g, json.Unmarshal(result, &g)
	})
}

// refusals returns one sentence for each gate that refuses.
func refusals(gates []recsys.GateResult) (reasons []string) {
	for _, g := range gates {
		if g.Refuses() {
			reasons = append(reasons, g.Gate+": "+g.Reason)
		}
	}
	return reasons
}

// Fail marks a loading version as failed and drops its data. It is idempotent,
// and has no effect on a version in a later state: ready, refused or dropped. A
// running writer is fenced at once; its tables are dropped when it releases
// them.
func (s *Store) Fail(ctx context.Context, version int64, reason string) error {
	var state recsys.State
	err := s.db.InTx(ctx, func(tx pgx.Tx) (err error) {
		if state, err = lockVersion(ctx, tx, version); err != nil || state != recsys.Loading {
			return err
		}
		state = recsys.Failed
		_, err = tx.Exec(ctx, "UPDATE recflow.versions SET state = 'failed', failure = $2 WHERE id = $1", version, reason)
		return err
	})
	if err != nil {
		return fmt.Errorf("fail version %d: %w", version, err)
	}
	if state != recsys.Failed {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, dropTimeout)
	defer cancel()
	for {
		err := s.db.InTx(ctx, func(tx pgx.Tx) error { return dropSchema(ctx, tx, version) })
		if err == nil {
			return nil
		}
		if !postgres.HasCode(err, postgres.LockNotAvailable) || ctx.Err() != nil {
			return fmt.Errorf("drop the data of failed version %d: %w", version, err)
		}
	}
}

// dropSchema drops the data of a version. It gives up if the tables stay in
// use, so that it does not block the sessions that queue behind it.
func dropSchema(ctx context.Context, tx pgx.Tx, version int64) error {
	if err := postgres.SetLockTimeout(ctx, tx); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, fmt.Sprintf("DROP SCHEMA IF EXISTS %s CASCADE", postgres.SchemaOf(version)))
	return err
}

// lockVersion takes the row lock that a change of a version's state requires.
func lockVersion(ctx context.Context, tx pgx.Tx, version int64) (state recsys.State, err error) {
	err = tx.QueryRow(ctx, "SELECT state FROM recflow.versions WHERE id = $1 FOR UPDATE", version).Scan(&state)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("version %d: %w", version, recsys.ErrNotFound)
	}
	return state, err
}
