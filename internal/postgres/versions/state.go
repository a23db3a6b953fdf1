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

// dropPatience is how long Fail waits for a writer to let go of the tables. A
// writer whose client is gone lets go within a second.
const dropPatience = 30 * time.Second

// MarkReady records the gates of a loading version and makes it one that may go
// live. It returns recsys.ErrGateRefused when one of the gates refuses it.
func (s *Store) MarkReady(ctx context.Context, version int64, gates []recsys.GateResult) error {
	if refused := refusals(gates); len(refused) > 0 {
		return fmt.Errorf("mark version %d ready: %w: %s", version, recsys.ErrGateRefused, strings.Join(refused, "; "))
	}
	return s.finish(ctx, version, recsys.Ready, "", gates)
}

// MarkRefused records the gates of a version that may not go live. Its data
// stays for inspection. A ready version can still be refused, when it is
// compared with a newer live one, but not one that is live itself.
func (s *Store) MarkRefused(ctx context.Context, version int64, gates []recsys.GateResult) error {
	return s.finish(ctx, version, recsys.Refused, strings.Join(refusals(gates), "; "), gates)
}

// finish moves a version on. Repeating it changes nothing.
func (s *Store) finish(ctx context.Context, version int64, to recsys.State, failure string, gates []recsys.GateResult) error {
	err := s.db.InTx(ctx, func(tx pgx.Tx) error {
		state, err := lockVersion(ctx, tx, version)
		if err != nil {
			return err
		}
		if state != to {
			// A flip locks the version too, so it cannot go live meanwhile.
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
				return fmt.Errorf("it is %s: %w", state, recsys.ErrConflict)
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

// Gates lists what the gates found, in the order they were recorded; it is
// empty before they ran.
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

// refusals says in one sentence each which gates refuse.
func refusals(gates []recsys.GateResult) (reasons []string) {
	for _, g := range gates {
		if g.Refuses() {
			reasons = append(reasons, g.Gate+": "+g.Reason)
		}
	}
	return reasons
}

// Fail gives a loading version up and removes its data. It may be repeated, and
// leaves a version alone that has got further: one that is ready, refused or
// dropped has nothing half-made. A writer that is still at work is fenced at
// once; its tables go when it lets go of them.
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
	ctx, cancel := context.WithTimeout(ctx, dropPatience)
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

// dropSchema removes the data of a version. It gives up when the tables stay in
// use, so that it does not hold up those who come after it.
func dropSchema(ctx context.Context, tx pgx.Tx, version int64) error {
	if err := postgres.SetLockTimeout(ctx, tx); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, fmt.Sprintf("DROP SCHEMA IF EXISTS %s CASCADE", postgres.SchemaOf(version)))
	return err
}

// lockVersion takes the row lock under which a version changes its state.
func lockVersion(ctx context.Context, tx pgx.Tx, version int64) (state recsys.State, err error) {
	err = tx.QueryRow(ctx, "SELECT state FROM recflow.versions WHERE id = $1 FOR UPDATE", version).Scan(&state)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("version %d: %w", version, recsys.ErrNotFound)
	}
	return state, err
}
