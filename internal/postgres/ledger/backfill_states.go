package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// touch records a change of a backfill.
const touch = "revision = revision + 1, changed_at = clock_timestamp()"

// StartBackfill records that the workflow of a round is running, in the run
// named by owner, and returns the backfill. A backfill that has ended or is in
// another round is returned unchanged.
func (s *Store) StartBackfill(ctx context.Context, id string, round int, owner string) (backfill.Backfill, error) {
	_, err := s.db.Exec(ctx, `
		UPDATE recflow.backfills
		SET state = 'running', started_at = coalesce(started_at, clock_timestamp()), `+touch+`
		WHERE id = $1 AND round = $2 AND state = 'pending'`, id, round)
	if err != nil {
		return backfill.Backfill{}, fmt.Errorf("start backfill %s: %w", id, err)
	}
	if err := s.RecordHeartbeat(ctx, id, round, owner); err != nil {
		return backfill.Backfill{}, err
	}
	return s.Backfill(ctx, id)
}

// RecordHeartbeat records the heartbeat of a backfill from the run named by
// owner. It does not change the revision.
func (s *Store) RecordHeartbeat(ctx context.Context, id string, round int, owner string) error {
	_, err := s.db.Exec(ctx, `
		UPDATE recflow.backfills
		SET owner = $3, heartbeat_at = clock_timestamp()
		WHERE id = $1 AND round = $2 AND state IN `+active, id, round, owner)
	if err != nil {
		return fmt.Errorf("heartbeat of backfill %s: %w", id, err)
	}
	return nil
}

// StartWindow records that an attempt of a window is running, and returns the
// window's state. It has no effect when repeated, or after a later attempt.
func (s *Store) StartWindow(ctx context.Context, id string, window backfill.Window) (state string, err error) {
	return s.changeWindow(ctx, id, `
		WITH started AS (
		UPDATE recflow.backfill_windows
		SET state = 'running', attempt = $3, workflow_id = $4, workflow_run_id = '', run_id = '', version_id = 0, rows = 0,
			metrics = NULL, lists = NULL, error = '', started_at = clock_timestamp(), ended_at = NULL
		WHERE backfill_id = $1 AND index = $2 AND state = 'pending' AND attempt < $3
		RETURNING *
		)
		INSERT INTO recflow.backfill_attempts (backfill_id, index, attempt, state, workflow_id, started_at)
		SELECT backfill_id, index, attempt, state, workflow_id, started_at
		FROM started`, window.Index, window.Attempt, window.WorkflowID)
}

// SkipWindow skips a pending window for the given reason, and returns its state.
// A window that is not pending stays as it is.
func (s *Store) SkipWindow(ctx context.Context, id string, index int, reason string) (state string, err error) {
	return s.changeWindow(ctx, id, `
		UPDATE recflow.backfill_windows
		SET state = 'skipped', reason = $3, error = ''
		WHERE backfill_id = $1 AND index = $2 AND state = 'pending'`, index, reason)
}

// EndWindow records the outcome of an attempt of a window: its state, run ids,
// version, rows, metrics or lists, and error. The first outcome is final.
func (s *Store) EndWindow(ctx context.Context, id string, window backfill.Window) error {
	var metrics, lists []byte
	var err error
	if window.Metrics != nil {
		if metrics, err = json.Marshal(window.Metrics); err != nil {
			return err
		}
	}
	if window.Lists != nil {
		if lists, err = json.Marshal(window.Lists); err != nil {
			return err
		}
	}
	_, err = s.changeWindow(ctx, id, `
		WITH ended AS (
		UPDATE recflow.backfill_windows
		SET state = $4, workflow_run_id = $5, run_id = $6, version_id = $7, rows = $8, metrics = $9, lists = $10, error = $11, ended_at = clock_timestamp()
		WHERE backfill_id = $1 AND index = $2 AND attempt = $3 AND state = 'running'
		RETURNING *
		)
		UPDATE recflow.backfill_attempts a
		SET state = s.state, workflow_run_id = s.workflow_run_id, run_id = s.run_id, version_id = s.version_id, error = s.error, ended_at = s.ended_at
		FROM ended s
		WHERE a.backfill_id = s.backfill_id AND a.index = s.index AND a.attempt = s.attempt`,
		window.Index, window.Attempt, window.State, window.WorkflowRunID, window.RunID, window.Version, window.Rows, metrics, lists, window.Error)
	return err
}

// RecordLists records how many lists an attempt of a running window has written so
// far.
func (s *Store) RecordLists(ctx context.Context, id string, index, attempt int, lists int64) error {
	_, err := s.changeWindow(ctx, id, `
		UPDATE recflow.backfill_windows
		SET rows = $4
		WHERE backfill_id = $1 AND index = $2 AND attempt = $3 AND state = 'running'`, index, attempt, lists)
	return err
}

// changeWindow executes a statement on a window, records a change if there was
// one, and returns the window's state.
func (s *Store) changeWindow(ctx context.Context, id, statement string, index int, args ...any) (state string, err error) {
	err = s.db.InTx(ctx, func(tx pgx.Tx) error {
		// Every change locks the backfill before its windows.
		if _, err := tx.Exec(ctx, "SELECT FROM recflow.backfills WHERE id = $1 FOR UPDATE", id); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, statement, append([]any{id, index}, args...)...)
		if err != nil {
			return err
		}
		if tag.RowsAffected() > 0 {
			if _, err := tx.Exec(ctx, "UPDATE recflow.backfills SET "+touch+" WHERE id = $1", id); err != nil {
				return err
			}
		}
		err = tx.QueryRow(ctx, "SELECT state FROM recflow.backfill_windows WHERE backfill_id = $1 AND index = $2", id, index).Scan(&state)
		return postgres.Translate(err)
	})
	if err != nil {
		return "", fmt.Errorf("window %d of backfill %s: %w", index, id, err)
	}
	return state, nil
}

// CancelBackfill requests the cancellation of a backfill. One that has ended
// stays as it is.
func (s *Store) CancelBackfill(ctx context.Context, id string) (b backfill.Backfill, err error) {
	err = s.db.InTx(ctx, func(tx pgx.Tx) error {
		if b, err = lockBackfill(ctx, tx, id); err != nil {
			return err
		}
		if b.Over() || b.State == backfill.Cancelling {
			return nil
		}
		if _, err := tx.Exec(ctx, "UPDATE recflow.backfills SET state = 'cancelling', "+touch+" WHERE id = $1", id); err != nil {
			return err
		}
		b, err = backfillByID(ctx, tx, id)
		return err
	})
	if err != nil {
		return b, fmt.Errorf("cancel backfill %s: %w", id, err)
	}
	return b, nil
}

// RetryBackfill starts another round of a backfill that has ended, for its
// failed and cancelled windows, or for the last step if that failed. It returns
// recsys.ErrConflict if the backfill has succeeded, and an OverlapError while another backfill uses the range.
func (s *Store) RetryBackfill(ctx context.Context, id string) (b backfill.Backfill, err error) {
	err = s.db.InTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(backfillLock)); err != nil {
			return err
		}
		if b, err = lockBackfill(ctx, tx, id); err != nil {
			return err
		}
		if !b.Over() {
			return fmt.Errorf("backfill is %s: %w", b.State, recsys.ErrConflict)
		}
		if b.State == backfill.Succeeded {
			return fmt.Errorf("no window failed or was cancelled: %w", recsys.ErrConflict)
		}
		if err := refuseOverlap(ctx, tx, id, b.Kind, b.From, b.To); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			UPDATE recflow.backfill_windows
			SET state = 'pending', reason = 'it was ' || state || ' and is retried'
			WHERE backfill_id = $1 AND state IN ('failed', 'cancelled')`, id)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE recflow.backfills
			SET state = 'pending', round = round + 1, workflow_id = $2, owner = '', heartbeat_at = NULL, error = '', ended_at = NULL, `+touch+`
			WHERE id = $1`, id, backfill.WorkflowID(b, b.Round+1))
		if err != nil {
			return err
		}
		b, err = backfillByID(ctx, tx, id)
		return err
	})
	if err != nil {
		return b, fmt.Errorf("retry backfill %s: %w", id, err)
	}
	return b, nil
}

// EndBackfill ends a round of a backfill: running windows become failed for the
// given reason, or cancelled if that was requested; windows that never ran
// become cancelled. It releases the range, and has no effect if the round has
// ended. failure is empty for a workflow that completed.
func (s *Store) EndBackfill(ctx context.Context, id string, round int, failure string) (b backfill.Backfill, err error) {
	err = s.db.InTx(ctx, func(tx pgx.Tx) error {
		if b, err = lockBackfill(ctx, tx, id); err != nil {
			return err
		}
		if b.Over() || b.Round != round {
			return nil
		}
		cancelled := b.State == backfill.Cancelling
		_, err := tx.Exec(ctx, `
			UPDATE recflow.backfill_windows
			SET state = CASE WHEN state = 'running' AND NOT $2 THEN 'failed' ELSE 'cancelled' END,
				error = CASE WHEN $2 THEN 'the backfill was cancelled' ELSE $3 END,
				ended_at = clock_timestamp()
			WHERE backfill_id = $1 AND state IN ('pending', 'running')`, id, cancelled, failure)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE recflow.backfill_attempts a
			SET state = s.state, error = s.error, ended_at = s.ended_at
			FROM recflow.backfill_windows s
			WHERE a.backfill_id = $1 AND a.state = 'running'
			AND s.backfill_id = a.backfill_id AND s.index = a.index AND s.attempt = a.attempt`, id)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE recflow.backfills b
			SET state = CASE
					WHEN $2 THEN 'cancelled'
					WHEN $3 <> '' OR EXISTS (SELECT FROM recflow.backfill_windows s WHERE s.backfill_id = b.id AND s.state = 'failed') THEN 'failed'
					WHEN EXISTS (SELECT FROM recflow.backfill_windows s WHERE s.backfill_id = b.id AND s.state = 'cancelled') THEN 'cancelled'
					ELSE 'succeeded'
				END,
				error = $3,
				ended_at = clock_timestamp(), `+touch+`
			WHERE id = $1`, id, cancelled, failure)
		if err != nil {
			return err
		}
		b, err = backfillByID(ctx, tx, id)
		return err
	})
	if err != nil {
		return b, fmt.Errorf("end backfill %s: %w", id, err)
	}
	return b, nil
}

func lockBackfill(ctx context.Context, tx pgx.Tx, id string) (backfill.Backfill, error) {
	if _, err := tx.Exec(ctx, "SELECT FROM recflow.backfills WHERE id = $1 FOR UPDATE", id); err != nil {
		return backfill.Backfill{}, err
	}
	return backfillByID(ctx, tx, id)
}

// StaleBackfills lists active backfills without a heartbeat or change for a
// while, without their windows, the oldest heartbeat first. The caller must find
// out whether their workflows are running.
func (s *Store) StaleBackfills(ctx context.Context, unchanged time.Duration, limit int) ([]backfill.Backfill, error) {
	rows, err := s.db.Query(ctx, selectBackfill+`
		WHERE b.state IN `+active+`
		AND greatest(b.changed_at, b.heartbeat_at) < clock_timestamp() - $1::interval
		ORDER BY greatest(b.changed_at, b.heartbeat_at)
		LIMIT $2`, unchanged, limit)
	if err != nil {
		return nil, fmt.Errorf("list stale backfills: %w", err)
	}
	found, err := pgx.CollectRows(rows, scanBackfill)
	if err != nil {
		return nil, fmt.Errorf("list stale backfills: %w", err)
	}
	return found, nil
}

// PastRun is the duration of one training and load.
type PastRun struct {
	Rows     int64 // rows read
	StoredTo time.Time
	ReadyAt  time.Time
}

// PastRuns lists the newest versions that became ready, for estimates.
func (s *Store) PastRuns(ctx context.Context, limit int) ([]PastRun, error) {
	rows, err := s.db.Query(ctx, `
		SELECT coalesce((manifest->'input'->>'rows')::bigint, 0), stored_to, ready_at
		FROM recflow.versions
		WHERE ready_at IS NOT NULL
		ORDER BY id DESC
		LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("list past runs: %w", err)
	}
	runs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r PastRun, err error) {
		return r, row.Scan(&r.Rows, &r.StoredTo, &r.ReadyAt)
	})
	if err != nil {
		return nil, fmt.Errorf("list past runs: %w", err)
	}
	return runs, nil
}

// PastLists is the speed and the size of earlier lists.
type PastLists struct {
	Lists   int64
	Items   int64 // at most: lists times their length
	Bytes   int64
	Seconds float64 // of the windows, one after the other
}

// PastLists sums up the newest windows of lists, for estimates.
func (s *Store) PastLists(ctx context.Context, limit int) (p PastLists, err error) {
	err = s.db.QueryRow(ctx, `
		SELECT
			coalesce(sum(w.rows), 0),
			coalesce(sum(w.rows * w.k), 0),
			coalesce(sum(w.bytes), 0),
			coalesce(sum(w.seconds), 0)
		FROM (
			SELECT
				s.rows,
				(b.request->>'k')::bigint AS k,
				(SELECT sum((f->>'bytes')::bigint) FROM json_array_elements(s.lists->'files') f) AS bytes,
				extract(epoch FROM s.ended_at - s.started_at)::float8 AS seconds
			FROM recflow.backfill_windows s
			JOIN recflow.backfills b ON b.id = s.backfill_id
			WHERE b.kind = 'lists'
			AND s.state = 'succeeded'
			AND s.rows > 0
			ORDER BY s.ended_at DESC
			LIMIT $1
		) w`, limit).Scan(&p.Lists, &p.Items, &p.Bytes, &p.Seconds)
	if err != nil {
		return p, fmt.Errorf("sum up past lists: %w", err)
	}
	return p, nil
}
