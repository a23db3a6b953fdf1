package versions

import (
	"context"
	"fmt"
	"time"
)

// Reader is a process that serves lists.
type Reader struct {
	Process   string // a UUID
	Component string // api or function
	Memory    int64  // bytes that it may use for the search in memory; 0: it searches in Postgres
	Prepared  int64  // candidate that it has loaded, or does not load; 0: none
}

// ReportReader records a reader. Each process reports at start, when Prepared has
// changed, and at least every ReportEvery.
func (s *Store) ReportReader(ctx context.Context, r Reader) error {
	_, err := s.db.Exec(ctx, `
		INSERT INTO recflow.readers (process, component, memory_bytes, prepared) VALUES ($1, $2, $3, $4)
		ON CONFLICT (process) DO UPDATE SET
			memory_bytes = excluded.memory_bytes,
			prepared = excluded.prepared,
			reported_at = clock_timestamp()`, r.Process, r.Component, r.Memory, r.Prepared)
	if err != nil {
		return fmt.Errorf("report a reader: %w", err)
	}
	return nil
}

// ReportEvery is the longest time between two reports of an active reader.
const ReportEvery = 20 * time.Second

// readerGone is the age of the last report of a reader that no longer counts for
// PrepareReaders.
const readerGone = time.Minute

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

// DropReaders deletes the readers that have not reported for more than a day.
func (s *Store) DropReaders(ctx context.Context) error {
	if _, err := s.db.Exec(ctx, "DELETE FROM recflow.readers WHERE reported_at < clock_timestamp() - interval '25 hours'"); err != nil {
		return fmt.Errorf("delete old readers: %w", err)
	}
	return nil
}

// PrepareReaders announces that a version is about to be promoted, and waits, at most
// for the given time, until all readers that reported in the last minute have loaded
// it into memory or have found that it does not fit. It returns how many have not. A
// version that is live or not ready is not announced. The announcement stays until
// the next promotion, rollback or announcement; readers load it next to the live
// version if both fit.
func (s *Store) PrepareReaders(ctx context.Context, version int64, atMost time.Duration) (late int, err error) {
	tag, err := s.db.Exec(ctx, `
		UPDATE recflow.live SET candidate = $1
		WHERE version_id IS DISTINCT FROM $1 AND EXISTS (SELECT FROM recflow.versions WHERE id = $1 AND state = 'ready')`, version)
	if err != nil {
		return 0, fmt.Errorf("announce version %d: %w", version, err)
	}
	if tag.RowsAffected() == 0 {
		return 0, nil
	}
	const every = 100 * time.Millisecond
	for deadline := time.Now().Add(atMost); ; {
		err := s.db.QueryRow(ctx, `
			SELECT count(*)
			FROM recflow.readers
			WHERE reported_at > clock_timestamp() - $2::interval AND memory_bytes > 0 AND prepared <> $1`, version, readerGone).Scan(&late)
		if err != nil {
			return 0, fmt.Errorf("readers of version %d: %w", version, err)
		}
		if late == 0 || time.Now().After(deadline) {
			return late, nil
		}
		select {
		case <-ctx.Done():
			return late, fmt.Errorf("readers of version %d: %w", version, ctx.Err())
		case <-time.After(every):
		}
	}
}
