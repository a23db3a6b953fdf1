package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// NewBackfill is a backfill to create, with its windows.
type NewBackfill struct {
	backfill.Backfill
	Parameters     []byte // digest of the training parameters other than the range
	IdempotencyKey string // chosen by the client; may be empty
	RequestDigest  []byte // without a key, identifies the same request while it is active
}

// OverlapError reports an active backfill of the same kind on a part of the
// range.
type OverlapError struct {
	ID       string
	From, To time.Time
}

func (e *OverlapError) Error() string {
	return fmt.Sprintf("backfill %s is active on %s: %v", e.ID, rangeText(e.From, e.To), recsys.ErrConflict)
}

func (e *OverlapError) Unwrap() error { return recsys.ErrConflict }

func rangeText(from, to time.Time) string {
	if from.IsZero() {
		return "everything before " + to.UTC().Format(time.RFC3339)
	}
	return from.UTC().Format(time.RFC3339) + " to " + to.UTC().Format(time.RFC3339)
}

// ErrKeyReused is returned when an idempotency key was used for a different
// request before.
var ErrKeyReused = fmt.Errorf("the idempotency key was used for a different request: %w", recsys.ErrConflict)

// backfillLock serializes creations, so that no overlap is missed.
const backfillLock = 0x7265_6366_6c6f_7762

// active is the states in which a backfill occupies its range.
const active = "('pending', 'running', 'cancelling')"

// CreateBackfill decides which windows to run and records the backfill, or
// returns the one of the same request, with existing true. It returns
// ErrKeyReused if the key was used for a different request, an OverlapError
// while another backfill of the kind is active on a part of the range, and
// recsys.ErrVersionGone if the version of lists has no data. From then on until the
// backfill ends, Prune does not drop that version.
func (s *Store) CreateBackfill(ctx context.Context, n NewBackfill) (b backfill.Backfill, existing bool, err error) {
	err = s.db.InTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(backfillLock)); err != nil {
			return err
		}
		id, err := findRequest(ctx, tx, n.IdempotencyKey, n.RequestDigest)
		switch {
		case err == nil:
			existing = true
			b, err = backfillByID(ctx, tx, id)
			return err
		case !errors.Is(err, recsys.ErrNotFound):
			return err
		}
		if err := refuseOverlap(ctx, tx, n.ID, n.Kind, n.From, n.To); err != nil {
			return err
		}
		if n.Kind == backfill.Lists {
			if err := holdVersion(ctx, tx, n.Version); err != nil {
				return err
			}
		}
		// Repeated under the lock, because another backfill may have just
		// ended.
		if err := decideWindows(ctx, tx, n.Kind, n.Rerun, n.Parameters, n.Windows); err != nil {
			return err
		}
		if err := insertBackfill(ctx, tx, n); err != nil {
			return err
		}
		b, err = backfillByID(ctx, tx, n.ID)
		return err
	})
	if err != nil {
		return backfill.Backfill{}, false, fmt.Errorf("create a backfill: %w", err)
	}
	return b, existing, nil
}

// holdVersion checks that a version has data, and locks it until the transaction
// ends: Prune then waits, and finds the backfill.
func holdVersion(ctx context.Context, tx pgx.Tx, version int64) error {
	var state recsys.State
	err := tx.QueryRow(ctx, "SELECT state FROM recflow.versions WHERE id = $1 FOR SHARE", version).Scan(&state)
	if err != nil {
		return fmt.Errorf("version %d: %w", version, postgres.Translate(err))
	}
	if state != recsys.Ready && state != recsys.Refused {
		return fmt.Errorf("version %d is %s: %w", version, state, recsys.ErrVersionGone)
	}
	return nil
}

// FindBackfill returns the backfill of the same request, or recsys.ErrNotFound,
// or ErrKeyReused.
func (s *Store) FindBackfill(ctx context.Context, key string, digest []byte) (backfill.Backfill, error) {
	id, err := findRequest(ctx, s.db, key, digest)
	if err != nil {
		return backfill.Backfill{}, fmt.Errorf("find the backfill of a request: %w", err)
	}
	return s.Backfill(ctx, id)
}

// findRequest finds a request by its key or, without a key, the same request
// that is active.
func findRequest(ctx context.Context, q postgres.Querier, key string, digest []byte) (id string, err error) {
	if key == "" {
		err = q.QueryRow(ctx, `
			SELECT id
			FROM recflow.backfills
			WHERE request_digest = $1
			AND idempotency_key IS NULL
			AND state IN `+active, digest).Scan(&id)
		return id, postgres.Translate(err)
	}
	var found []byte
	err = q.QueryRow(ctx, "SELECT id, request_digest FROM recflow.backfills WHERE idempotency_key = $1", key).Scan(&id, &found)
	if err == nil && !bytes.Equal(found, digest) {
		return "", ErrKeyReused
	}
	return id, postgres.Translate(err)
}

// RefuseOverlap returns an OverlapError while another backfill of the kind is
// active on a part of the range. Backfills of kind lists have none.
func (s *Store) RefuseOverlap(ctx context.Context, id, kind string, from, to time.Time) error {
	return s.db.InTx(ctx, func(tx pgx.Tx) error { return refuseOverlap(ctx, tx, id, kind, from, to) })
}

func refuseOverlap(ctx context.Context, tx pgx.Tx, id, kind string, from, to time.Time) error {
	if kind == backfill.Lists {
		return nil
	}
	var other OverlapError
	var otherFrom *time.Time
	err := tx.QueryRow(ctx, `
		SELECT id, range_from, range_to
		FROM recflow.backfills
		WHERE state IN `+active+`
		AND kind = $1
		AND id <> $2
		AND tstzrange(range_from, range_to) && tstzrange($3, $4)
		ORDER BY created_at
		LIMIT 1`, kind, id, postgres.OrNull(from), to).Scan(&other.ID, &otherFrom, &other.To)
	if err == nil {
		other.From = postgres.OrZero(otherFrom)
		return &other
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

func insertBackfill(ctx context.Context, tx pgx.Tx, n NewBackfill) error {
	state, ended := backfill.Pending, "NULL"
	if !anyPending(n.Windows) { // nothing to do
		state, ended = backfill.Succeeded, "clock_timestamp()"
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO recflow.backfills (id, kind, state, range_from, range_to, version_id, step_seconds, max_parallel, rerun, promote,
			request, parameters, idempotency_key, request_digest, actor, workflow_id, ended_at)
		VALUES ($1, $2, $3, $4, $5, nullif($6, 0), $7, $8, $9, $10, $11, $12, nullif($13, ''), $14, $15, $16, `+ended+")",
		n.ID, n.Kind, state, postgres.OrNull(n.From), postgres.OrNull(n.To), n.Version, n.StepSeconds, n.MaxParallel, n.Rerun, n.Promote,
		n.Request, n.Parameters, n.IdempotencyKey, n.RequestDigest, n.Actor, n.WorkflowID)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO recflow.backfill_windows (backfill_id, index, window_from, window_to, state, reason, version_id)
		SELECT $1, * FROM unnest($2::int[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[], $7::bigint[])`, n.ID,
		postgres.Column(n.Windows, func(s *backfill.Window) int { return s.Index }),
		postgres.Column(n.Windows, func(s *backfill.Window) *time.Time { return postgres.OrNull(s.From) }),
		postgres.Column(n.Windows, func(s *backfill.Window) *time.Time { return postgres.OrNull(s.To) }),
		postgres.Column(n.Windows, func(s *backfill.Window) string { return s.State }),
		postgres.Column(n.Windows, func(s *backfill.Window) string { return s.Reason }),
		postgres.Column(n.Windows, func(s *backfill.Window) int64 { return s.Version }))
	return err
}

func anyPending(windows []backfill.Window) bool {
	for _, s := range windows {
		if s.State == backfill.Pending {
			return true
		}
	}
	return false
}

// DecideWindows marks the windows that need not run under the policy, with the
// reason for each, by the outcomes of earlier backfills of the kind with the
// same parameters and ranges. A refresh is needed again if its version was
// dropped; the measurements of an as_of remain valid.
func (s *Store) DecideWindows(ctx context.Context, kind, rerun string, parameters []byte, windows []backfill.Window) error {
	return decideWindows(ctx, s.db, kind, rerun, parameters, windows)
}

func decideWindows(ctx context.Context, q postgres.Querier, kind, rerun string, parameters []byte, windows []backfill.Window) error {
	rows, err := q.Query(ctx, `
		SELECT DISTINCT ON (k.index)
			k.index,
			s.state,
			s.backfill_id,
			s.version_id,
			b.kind = 'refresh' AND v.state IS DISTINCT FROM 'ready' AS gone
		FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS k (index, window_from, window_to)
		JOIN recflow.backfill_windows s ON s.window_to = k.window_to AND s.window_from IS NOT DISTINCT FROM k.window_from
		JOIN recflow.backfills b ON b.id = s.backfill_id
		LEFT JOIN recflow.versions v ON v.id = s.version_id
		WHERE b.kind = $4
		AND b.parameters = $5
		AND s.state IN ('succeeded', 'failed', 'cancelled')
		ORDER BY k.index, s.state = 'succeeded' DESC, gone, s.ended_at DESC`,
		postgres.Column(windows, func(s *backfill.Window) int { return s.Index }),
		postgres.Column(windows, func(s *backfill.Window) *time.Time { return postgres.OrNull(s.From) }),
		postgres.Column(windows, func(s *backfill.Window) time.Time { return s.To }), kind, parameters)
	if err != nil {
		return fmt.Errorf("look for earlier windows: %w", err)
	}
	before := map[int]*backfill.Earlier{}
	var index int
	var e backfill.Earlier
	_, err = pgx.ForEachRow(rows, []any{&index, &e.State, &e.Backfill, &e.Version, &e.Gone}, func() error {
		found := e
		before[index] = &found
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for earlier windows: %w", err)
	}
	for i := range windows {
		windows[i].Decide(rerun, before[windows[i].Index])
	}
	return nil
}

const backfillColumns = `
		b.id,
		b.kind,
		b.state,
		b.range_from,
		b.range_to,
		coalesce(b.version_id, 0),
		b.step_seconds,
		b.max_parallel,
		b.rerun,
		b.promote,
		b.request,
		b.actor,
		b.round,
		b.workflow_id,
		b.owner,
		b.heartbeat_at,
		b.error,
		b.revision,
		b.created_at,
		b.started_at,
		b.ended_at,
		c.total,
		c.pending,
		c.running,
		c.succeeded,
		c.failed,
		c.cancelled,
		c.skipped`

const selectBackfill = "SELECT" + backfillColumns + `
	FROM recflow.backfills b
	CROSS JOIN LATERAL (
		SELECT
			count(*) AS total,
			count(*) FILTER (WHERE s.state = 'pending') AS pending,
			count(*) FILTER (WHERE s.state = 'running') AS running,
			count(*) FILTER (WHERE s.state = 'succeeded') AS succeeded,
			count(*) FILTER (WHERE s.state = 'failed') AS failed,
			count(*) FILTER (WHERE s.state = 'cancelled') AS cancelled,
			count(*) FILTER (WHERE s.state = 'skipped') AS skipped
		FROM recflow.backfill_windows s
		WHERE s.backfill_id = b.id
	) c
	`

func scanBackfill(row pgx.CollectableRow) (b backfill.Backfill, err error) {
	var from, to, heartbeat, started, ended *time.Time
	var request []byte
	err = row.Scan(&b.ID, &b.Kind, &b.State, &from, &to, &b.Version, &b.StepSeconds, &b.MaxParallel, &b.Rerun, &b.Promote, &request, &b.Actor,
		&b.Round, &b.WorkflowID, &b.Owner, &heartbeat, &b.Error, &b.Revision, &b.CreatedAt, &started, &ended,
		&b.Count.Total, &b.Count.Pending, &b.Count.Running, &b.Count.Succeeded, &b.Count.Failed, &b.Count.Cancelled, &b.Count.Skipped)
	b.From, b.StartedAt, b.EndedAt, b.Request = postgres.OrZero(from).UTC(), postgres.OrZero(started).UTC(), postgres.OrZero(ended).UTC(), request
	b.To, b.CreatedAt, b.HeartbeatAt = postgres.OrZero(to).UTC(), b.CreatedAt.UTC(), postgres.OrZero(heartbeat).UTC()
	return b, err
}

// Backfill returns a backfill with its windows, or recsys.ErrNotFound.
func (s *Store) Backfill(ctx context.Context, id string) (backfill.Backfill, error) {
	b, err := backfillByID(ctx, s.db, id)
	if err != nil {
		return backfill.Backfill{}, fmt.Errorf("backfill %s: %w", id, err)
	}
	return b, nil
}

func backfillByID(ctx context.Context, q postgres.Querier, id string) (backfill.Backfill, error) {
	rows, err := q.Query(ctx, selectBackfill+"WHERE b.id = $1", id)
	if err != nil {
		return backfill.Backfill{}, err
	}
	b, err := pgx.CollectExactlyOneRow(rows, scanBackfill)
	if err != nil {
		return b, postgres.Translate(err)
	}
	rows, err = q.Query(ctx, `
		SELECT index, window_from, window_to, state, reason, attempt, workflow_id, workflow_run_id, run_id, version_id, rows, metrics, lists, error, started_at, ended_at
		FROM recflow.backfill_windows
		WHERE backfill_id = $1
		ORDER BY index
		LIMIT 10000`, id)
	if err != nil {
		return b, err
	}
	if b.Windows, err = pgx.CollectRows(rows, scanWindow); err != nil {
		return b, err
	}
	return b, addEarlier(ctx, q, b)
}

// addEarlier adds the attempts before the latest to the windows of a backfill,
// which must be in order and without a gap.
func addEarlier(ctx context.Context, q postgres.Querier, b backfill.Backfill) error {
	rows, err := q.Query(ctx, `
		SELECT a.index, a.attempt, a.state, a.workflow_id, a.workflow_run_id, a.run_id, a.version_id, a.error, a.started_at, a.ended_at
		FROM recflow.backfill_attempts a
		JOIN recflow.backfill_windows s ON s.backfill_id = a.backfill_id AND s.index = a.index AND a.attempt < s.attempt
		WHERE a.backfill_id = $1
		ORDER BY a.index, a.attempt
		LIMIT 20000`, b.ID)
	if err != nil {
		return err
	}
	var index int
	var a backfill.Attempt
	var ended *time.Time
	into := []any{&index, &a.Attempt, &a.State, &a.WorkflowID, &a.WorkflowRunID, &a.RunID, &a.Version, &a.Error, &a.StartedAt, &ended}
	_, err = pgx.ForEachRow(rows, into, func() error {
		a.StartedAt, a.EndedAt = a.StartedAt.UTC(), postgres.OrZero(ended).UTC()
		b.Windows[index].Earlier = append(b.Windows[index].Earlier, a)
		return nil
	})
	return err
}

func scanWindow(row pgx.CollectableRow) (s backfill.Window, err error) {
	var from, to, started, ended *time.Time
	var metrics, lists []byte
	err = row.Scan(&s.Index, &from, &to, &s.State, &s.Reason, &s.Attempt, &s.WorkflowID, &s.WorkflowRunID, &s.RunID, &s.Version,
		&s.Rows, &metrics, &lists, &s.Error, &started, &ended)
	s.From, s.To, s.StartedAt, s.EndedAt = postgres.OrZero(from).UTC(), postgres.OrZero(to).UTC(), postgres.OrZero(started).UTC(), postgres.OrZero(ended).UTC()
	if err == nil && metrics != nil {
		err = json.Unmarshal(metrics, &s.Metrics)
	}
	if err == nil && lists != nil {
		err = json.Unmarshal(lists, &s.Lists)
	}
	return s, err
}

// Backfills returns at most limit backfills without their windows, newest first;
// after is the last one of the previous page, or nil.
func (s *Store) Backfills(ctx context.Context, after *backfill.Backfill, limit int) ([]backfill.Backfill, error) {
	where, args := "", []any{limit}
	if after != nil {
		where, args = "WHERE (b.created_at, b.id) < ($2, $3) ", append(args, after.CreatedAt, after.ID)
	}
	rows, err := s.db.Query(ctx, selectBackfill+where+"ORDER BY b.created_at DESC, b.id DESC LIMIT $1", args...)
	if err != nil {
		return nil, fmt.Errorf("list backfills: %w", err)
	}
	found, err := pgx.CollectRows(rows, scanBackfill)
	if err != nil {
		return nil, fmt.Errorf("list backfills: %w", err)
	}
	return found, nil
}

// BackfillRevision returns the revision of a backfill, or recsys.ErrNotFound.
func (s *Store) BackfillRevision(ctx context.Context, id string) (revision int64, err error) {
	err = s.db.QueryRow(ctx, "SELECT revision FROM recflow.backfills WHERE id = $1", id).Scan(&revision)
	if err != nil {
		return 0, fmt.Errorf("backfill %s: %w", id, postgres.Translate(err))
	}
	return revision, nil
}
