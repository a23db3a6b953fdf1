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
	rows, err := q.Query(ctx, "SELECT stored_before, occurred_before FROM recflow.horizon "+lock)
	if err != nil {
		return h, err
	}
	return pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (h recsys.Horizon, err error) {
		var stored, occurred *time.Time
		err = row.Scan(&stored, &occurred)
		return recsys.Horizon{StoredBefore: postgres.OrZero(stored), OccurredBefore: postgres.OrZero(occurred)}, err
	})
}
