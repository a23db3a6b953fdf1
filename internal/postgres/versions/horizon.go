package versions

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// Horizon returns the current horizon.
func (s *Store) Horizon(ctx context.Context) (recsys.Horizon, error) {
	h, err := readHorizon(ctx, s.db, "")
	if err != nil {
		return recsys.Horizon{}, fmt.Errorf("horizon: %w", err)
	}
	return h, nil
}

func readHorizon(ctx context.Context, q postgres.Querier, lock string) (h recsys.Horizon, err error) {
	rows, err := q.Query(ctx, "SELECT stored_before, occurred_before, trusted_before FROM recflow.horizon "+lock)
	if err != nil {
		return h, err
	}
	return pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (h recsys.Horizon, err error) {
		var stored, occurred, trusted *time.Time
		err = row.Scan(&stored, &occurred, &trusted)
		return recsys.Horizon{
			StoredBefore: postgres.OrZero(stored), OccurredBefore: postgres.OrZero(occurred), TrustedBefore: postgres.OrZero(trusted),
		}, err
	})
}

// Trust accepts the events that are in the bucket and were stored before a time,
// whatever Postgres has: later trainings are compared from that time. It never moves
// back.
func (s *Store) Trust(ctx context.Context, before time.Time) error {
	_, err := s.db.Exec(ctx, "UPDATE recflow.horizon SET trusted_before = greatest(trusted_before, $1)", before)
	if err != nil {
		return fmt.Errorf("accept the events of the bucket: %w", err)
	}
	return nil
}
