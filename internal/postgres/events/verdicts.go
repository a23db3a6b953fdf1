package events

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
)

// Verdicts of events of the stream.
const (
	Folded             = "folded"      // it changes the user's list
	Ignored            = "ignored"     // it is stored and changes no list for now, for the given reason
	QuarantinedVerdict = "quarantined" // it can never be processed, for the given reason
)

// VerdictKey identifies an event by its id and content.
type VerdictKey struct {
	EventID string
	Digest  [16]byte
}

// Verdict is the result of an event. It is written after everything that the
// event causes was delivered. The first one is final.
type Verdict struct {
	EventID   string
	Digest    [16]byte
	Verdict   string
	Reason    string
	Stage     string    // of the list that the event changed
	Version   int64     // live version; 0: none
	ArrivedAt time.Time // in the stream
	At        time.Time // when it was written; set by the store
}

// Evaluation compares, for one event before it was folded in, the rank of its
// item with the live state and with the version alone. 0: not in the first
// hundred.
type Evaluation struct {
	EventID               string
	Version               int64
	LiveStage, StaleStage string
	LiveRank, StaleRank   int
}

// WriteVerdicts writes verdicts and evaluations in one round trip. Existing
// ones stay as they are.
func (s *Store) WriteVerdicts(ctx context.Context, verdicts []Verdict, evaluations []Evaluation) error {
	batch := &pgx.Batch{}
	if len(verdicts) > 0 {
		batch.Queue(`
			INSERT INTO recflow.event_verdicts (event_id, digest, verdict, reason, stage, version_id, arrived_at)
			SELECT *
			FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[]) AS v (event_id, digest)
			ORDER BY v.event_id COLLATE "C", v.digest
			ON CONFLICT (event_id, digest) DO NOTHING`,
			postgres.Column(verdicts, func(v *Verdict) string { return v.EventID }),
			postgres.Column(verdicts, func(v *Verdict) []byte { return v.Digest[:] }),
			postgres.Column(verdicts, func(v *Verdict) string { return v.Verdict }),
			postgres.Column(verdicts, func(v *Verdict) string { return v.Reason }),
			postgres.Column(verdicts, func(v *Verdict) string { return v.Stage }),
			postgres.Column(verdicts, func(v *Verdict) int64 { return v.Version }),
			postgres.Column(verdicts, func(v *Verdict) time.Time { return v.ArrivedAt }))
	}
	if len(evaluations) > 0 {
		batch.Queue(`
			INSERT INTO recflow.evaluations (event_id, version_id, live_stage, stale_stage, live_rank, stale_rank)
			SELECT *
			FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::int[], $6::int[]) AS e (event_id)
			ORDER BY e.event_id COLLATE "C"
			ON CONFLICT (event_id) DO NOTHING`,
			postgres.Column(evaluations, func(e *Evaluation) string { return e.EventID }),
			postgres.Column(evaluations, func(e *Evaluation) int64 { return e.Version }),
			postgres.Column(evaluations, func(e *Evaluation) string { return e.LiveStage }),
			postgres.Column(evaluations, func(e *Evaluation) string { return e.StaleStage }),
			postgres.Column(evaluations, func(e *Evaluation) int { return e.LiveRank }),
			postgres.Column(evaluations, func(e *Evaluation) int { return e.StaleRank }))
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := s.db.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("write verdicts: %w", err)
	}
	return nil
}

// Verdicts returns the verdicts of events that have one.
func (s *Store) Verdicts(ctx context.Context, keys []VerdictKey) (map[VerdictKey]Verdict, error) {
	rows, err := s.db.Query(ctx, `
		SELECT
			v.event_id,
			v.digest,
			v.verdict,
			v.reason,
			v.stage,
			v.version_id,
			v.arrived_at,
			v.at
		FROM unnest($1::text[], $2::bytea[]) AS k (event_id, digest)
		JOIN recflow.event_verdicts v ON v.event_id = k.event_id AND v.digest = k.digest`,
		postgres.Column(keys, func(k *VerdictKey) string { return k.EventID }),
		postgres.Column(keys, func(k *VerdictKey) []byte { return k.Digest[:] }))
	if err != nil {
		return nil, fmt.Errorf("verdicts: %w", err)
	}
	found := make(map[VerdictKey]Verdict, len(keys))
	var v Verdict
	var digest []byte
	_, err = pgx.ForEachRow(rows, []any{&v.EventID, &digest, &v.Verdict, &v.Reason, &v.Stage, &v.Version, &v.ArrivedAt, &v.At}, func() error {
		copy(v.Digest[:], digest)
		found[VerdictKey{v.EventID, v.Digest}] = v
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("verdicts: %w", err)
	}
	return found, nil
}

// Outcomes returns all verdicts of events with this id, the accepted event
// first: another event with the same id is a conflict. stored is when the event
// was stored, or zero if it is not stored, or no longer.
func (s *Store) Outcomes(ctx context.Context, eventID string) (verdicts []Verdict, stored time.Time, err error) {
	batch := &pgx.Batch{}
	batch.Queue(`
		SELECT event_id, digest, verdict, reason, stage, version_id, arrived_at, at
		FROM recflow.event_verdicts
		WHERE event_id = $1
		ORDER BY verdict = 'quarantined', at
		LIMIT 100`, eventID).Query(func(rows pgx.Rows) (err error) {
		verdicts, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (v Verdict, err error) {
			var digest []byte
			err = row.Scan(&v.EventID, &digest, &v.Verdict, &v.Reason, &v.Stage, &v.Version, &v.ArrivedAt, &v.At)
			copy(v.Digest[:], digest)
			return v, err
		})
		return err
	})
	batch.Queue("SELECT max(stored_at) FROM recflow.live_events WHERE event_id = $1", eventID).QueryRow(func(row pgx.Row) error {
		var at *time.Time
		err := row.Scan(&at)
		stored = postgres.OrZero(at)
		return err
	})
	if err := s.db.SendBatch(ctx, batch).Close(); err != nil {
		return nil, time.Time{}, fmt.Errorf("outcomes of an event: %w", err)
	}
	return verdicts, stored, nil
}

// evaluationsKept is the time for which evaluations outlive verdicts.
const evaluationsKept = 90 * 24 * time.Hour

// DropVerdicts deletes the verdicts written before olderThan, which must be so
// early that the stream cannot deliver their events again. It returns the
// number of deleted verdicts, also together with an error. Evaluations are kept
// for ninety more days.
func (s *Store) DropVerdicts(ctx context.Context, olderThan time.Time) (n int64, err error) {
	n, err = s.dropOlder(ctx, "recflow.event_verdicts", olderThan)
	if err == nil {
		_, err = s.dropOlder(ctx, "recflow.evaluations", olderThan.Add(-evaluationsKept))
	}
	if err != nil {
		return n, fmt.Errorf("drop verdicts: %w", err)
	}
	return n, nil
}

// dropOlder deletes the rows of a table that were written before a time.
func (s *Store) dropOlder(ctx context.Context, table string, olderThan time.Time) (int64, error) {
	return s.forEachChunk(func() (int64, error) {
		tag, err := s.db.Exec(ctx, `
			DELETE FROM `+table+`
			WHERE ctid = ANY (ARRAY(
				SELECT ctid
				FROM `+table+`
				WHERE at < $1
				ORDER BY at
				LIMIT $2))`, olderThan, s.DropChunk)
		return tag.RowsAffected(), err
	})
}
