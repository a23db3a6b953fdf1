package events

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/recsys"
)

// idHash is recsys.IDHash("", event_id) as a signed number.
const idHash = `('x' || encode(substring(sha256(convert_to(event_id, 'UTF8')) FOR 8), 'hex'))::bit(64)::bigint`

// StreamedSet returns the fingerprint of the stored events that coverage c includes
// and the baseline does not. It includes deleted events if the horizon exceeds the
// baseline, which a training prevents while it runs.
func (s *Store) StreamedSet(ctx context.Context, c recsys.Coverage, b recsys.Baseline) (recsys.EventSet, error) {
	var count, hash int64
	err := s.db.QueryRow(ctx, `
		SELECT count(*), coalesce(bit_xor(`+idHash+`), 0)
		FROM recflow.live_events
		WHERE occurred_at < $1 AND stored_at < $2
		AND NOT (occurred_at < $3 AND stored_at < $4)`, c.To, c.StoredTo, b.To, b.StoredTo).Scan(&count, &hash)
	if err != nil {
		return recsys.EventSet{}, fmt.Errorf("streamed events: %w", err)
	}
	return recsys.EventSet{Count: count, Hash: fmt.Sprintf("%016x", uint64(hash))}, nil
}

// DropCoveredEvents deletes the events that were stored before olderThan and
// that every version that may be promoted and the baseline of every running
// training cover, moves the horizon, and returns the number of deleted events, also together with an error. olderThan
// must be so early that the stream cannot deliver such an event again.
func (s *Store) DropCoveredEvents(ctx context.Context, olderThan time.Time) (n int64, err error) {
	n, err = s.forEachChunk(func() (gone int64, err error) {
		err = s.db.InTx(ctx, func(tx pgx.Tx) error {
			gone, err = dropSomeEvents(ctx, tx, olderThan, s.DropChunk)
			return err
		})
		return gone, err
	})
	if err != nil {
		return n, fmt.Errorf("drop covered events: %w", err)
	}
	return n, nil
}

// forEachChunk calls drop until it deletes less than a chunk.
func (s *Store) forEachChunk(drop func() (int64, error)) (n int64, err error) {
	for {
		gone, err := drop()
		if err != nil {
			return n, err
		}
		if n += gone; gone < s.DropChunk {
			return n, nil
		}
	}
}

// dropSomeEvents deletes a chunk of the oldest events. The lock of the horizon
// blocks promotions during the transaction.
func dropSomeEvents(ctx context.Context, tx pgx.Tx, olderThan time.Time, chunk int64) (n int64, err error) {
	if _, err := tx.Exec(ctx, "SELECT FROM recflow.horizon FOR UPDATE"); err != nil {
		return 0, err
	}
	var to, storedTo *time.Time
	err = tx.QueryRow(ctx, `
		SELECT min(covers_to), least(min(stored_to), $1)
		FROM (
			SELECT covers_to, stored_to FROM recflow.versions WHERE state IN ('loading', 'ready')
			UNION ALL
			SELECT baseline_to, baseline_stored_to FROM recflow.trainings
		) needed`, olderThan).Scan(&to, &storedTo)
	if err != nil || to == nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, `
		WITH gone AS (
			DELETE FROM recflow.live_events
			WHERE ctid = ANY (ARRAY(
				SELECT ctid
				FROM recflow.live_events
				WHERE occurred_at < $1 AND stored_at < $2
				ORDER BY stored_at
				LIMIT $3))
			RETURNING occurred_at, stored_at
		), sums AS (
			SELECT
				count(*) AS count,
				max(stored_at) + interval '1 microsecond' AS stored,
				max(occurred_at) + interval '1 microsecond' AS occurred
			FROM gone
		)
		UPDATE recflow.horizon h
		SET stored_before = greatest(h.stored_before, sums.stored),
			occurred_before = greatest(h.occurred_before, sums.occurred)
		FROM sums
		RETURNING sums.count`, to, storedTo, chunk).Scan(&n)
	return n, err
}
