package events

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
)

// StreamStats is statistics of the recent work of the stream.
type StreamStats struct {
	Since    time.Time // counts only verdicts written after this
	Events   int64
	Verdicts []VerdictCount // most frequent first
	Stages   []StageCount   // of events that were folded in, most frequent first
	Newest   time.Time      // time of the last verdict; zero if there is none

	// Freshness is the time from the arrival of an event in the stream to its
	// verdict: quantiles over the counted events, zero if there are none.
	P50, P95, P99 time.Duration
}

// VerdictCount is the number of events with a verdict and reason.
type VerdictCount struct {
	Verdict string
	Reason  string
	Events  int64
}

// StageCount is the number of events that changed a list of a stage.
type StageCount struct {
	Stage  string
	Events int64
}

// StreamStats returns statistics of the verdicts in the given time before now,
// in one round trip.
func (s *Store) StreamStats(ctx context.Context, last time.Duration) (out StreamStats, err error) {
	batch := &pgx.Batch{}
	batch.Queue("SELECT clock_timestamp() - $1::interval", last).QueryRow(func(row pgx.Row) error { return row.Scan(&out.Since) })
	const recent = "FROM recflow.event_verdicts WHERE at > clock_timestamp() - $1::interval"
	batch.Queue(`SELECT verdict, reason, count(*) `+recent+` GROUP BY verdict, reason ORDER BY count(*) DESC, verdict, reason LIMIT 200`, last).
		Query(func(rows pgx.Rows) (err error) {
			out.Verdicts, err = pgx.CollectRows(rows, pgx.RowToStructByPos[VerdictCount])
			return err
		})
	batch.Queue(`SELECT stage, count(*) `+recent+` AND verdict = 'folded' GROUP BY stage ORDER BY count(*) DESC, stage LIMIT 20`, last).
		Query(func(rows pgx.Rows) (err error) {
			out.Stages, err = pgx.CollectRows(rows, pgx.RowToStructByPos[StageCount])
			return err
		})
	var newest *time.Time
	var seconds []float64
	batch.Queue(`
		SELECT
			count(*),
			max(at),
			coalesce(percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM at - arrived_at)), '{0,0,0}')::float8[]
		`+recent, last).QueryRow(func(row pgx.Row) error { return row.Scan(&out.Events, &newest, &seconds) })
	if err := s.db.SendBatch(ctx, batch).Close(); err != nil {
		return StreamStats{}, fmt.Errorf("statistics of the stream: %w", err)
	}
	out.Newest = postgres.OrZero(newest)
	for i, p := range []*time.Duration{&out.P50, &out.P95, &out.P99} {
		*p = time.Duration(seconds[i] * float64(time.Second))
	}
	return out, nil
}

// EvaluationStats compares, for the events of one version and stage, the live
// state with the version alone. Shares are between 0 and 1.
type EvaluationStats struct {
	Version   int64
	Stage     string // of the live state
	Events    int64
	LiveHits  int64 // the item was among the first 20
	StaleHits int64 // the same with the version alone
	OnlyLive  int64 // hits with the live state that are not hits with the version alone
	OnlyStale int64

	LiveReciprocal  float64 // mean of 1/rank, 0 beyond the first hundred
	StaleReciprocal float64
}

// EvaluationStats returns statistics of the prequential evaluations, newest
// version first.
func (s *Store) EvaluationStats(ctx context.Context) ([]EvaluationStats, error) {
	rows, err := s.db.Query(ctx, `
		SELECT
			version_id,
			live_stage,
			count(*),
			count(*) FILTER (WHERE live_rank BETWEEN 1 AND 20),
			count(*) FILTER (WHERE stale_rank BETWEEN 1 AND 20),
			count(*) FILTER (WHERE live_rank BETWEEN 1 AND 20 AND stale_rank NOT BETWEEN 1 AND 20),
			count(*) FILTER (WHERE stale_rank BETWEEN 1 AND 20 AND live_rank NOT BETWEEN 1 AND 20),
			avg(CASE WHEN live_rank > 0 THEN 1.0 / live_rank ELSE 0 END)::float8,
			avg(CASE WHEN stale_rank > 0 THEN 1.0 / stale_rank ELSE 0 END)::float8
		FROM recflow.evaluations
		GROUP BY version_id, live_stage
		ORDER BY version_id DESC, live_stage
		LIMIT 1000`)
	if err == nil {
		var stats []EvaluationStats
		if stats, err = pgx.CollectRows(rows, pgx.RowToStructByPos[EvaluationStats]); err == nil {
			return stats, nil
		}
	}
	return nil, fmt.Errorf("evaluations of the stream: %w", err)
}
