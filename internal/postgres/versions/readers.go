package versions

import (
	"context"
	"fmt"
)

// ReportReader records that processes of a component that serve lists may use this
// many bytes of memory for the search in memory; 0 means that they search in
// Postgres. Each process reports at start and every hour.
func (s *Store) ReportReader(ctx context.Context, component string, memory int64) error {
	_, err := s.db.Exec(ctx, `
		INSERT INTO recflow.readers (component, memory_bytes) VALUES ($1, $2)
		ON CONFLICT (component, memory_bytes) DO UPDATE SET reported_at = clock_timestamp()`, component, memory)
	if err != nil {
		return fmt.Errorf("report the memory of a reader: %w", err)
	}
	return nil
}

// ReaderMemory returns the smallest number of bytes that a process reported in the
// last 24 hours, or false if none did.
func (s *Store) ReaderMemory(ctx context.Context) (memory int64, known bool, err error) {
	var smallest *int64
	err = s.db.QueryRow(ctx, `
		SELECT min(memory_bytes) FROM recflow.readers WHERE reported_at > clock_timestamp() - interval '24 hours'`).Scan(&smallest)
	if err != nil {
		return 0, false, fmt.Errorf("memory of the readers: %w", err)
	}
	if smallest == nil {
		return 0, false, nil
	}
	return *smallest, true, nil
}
