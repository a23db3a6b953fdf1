package versions

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Complete completes a claim in a separate transaction.
func Complete(ctx context.Context, s *Store, c Claim, rows int64) error {
	return s.db.InTx(ctx, func(tx pgx.Tx) error { return c.complete(ctx, tx, rows) })
}
