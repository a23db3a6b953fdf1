package events

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// MarkReplayed records that a failed batch is sent to the stream again. It returns false
// if that was recorded before. A concurrent call for the same key waits until the
// transaction of the first one ends.
func (s *Store) MarkReplayed(ctx context.Context, key string, records int) (bool, error) {
	tag, err := s.db.Exec(ctx, "INSERT INTO recflow.replayed_batches (key, records) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING", key, records)
	if err != nil {
		return false, fmt.Errorf("mark a batch as replayed: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// Replayed returns which of these failed batches were sent to the stream again.
func (s *Store) Replayed(ctx context.Context, keys []string) (map[string]bool, error) {
	rows, err := s.db.Query(ctx, "SELECT key FROM recflow.replayed_batches WHERE key = ANY($1)", keys)
	if err != nil {
		return nil, fmt.Errorf("replayed batches: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("replayed batches: %w", err)
	}
	out := make(map[string]bool, len(found))
	for _, key := range found {
		out[key] = true
	}
	return out, nil
}
