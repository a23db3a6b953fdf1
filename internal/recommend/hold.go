package recommend

import (
	"context"
	"errors"
	"fmt"

	"github.com/recflow/recflow/internal/recsys"
)

// HoldItems reads every item of the version into memory, in one round trip, unless
// they are there or take more than limit bytes. From then on no item vector is
// read, and without filters the items of a list are found there: those that an
// exact search finds, with ids and scores, and without titles, categories and
// tags (docs/decisions/0017-search-in-memory.md). After an error the Reader is
// what it was.
func (r *Reader) HoldItems(ctx context.Context, limit int64) error {
	if r.folder.held != nil || r.tooLarge {
		return nil
	}
	m, err := readMatrix(ctx, r.data, r.version, limit)
	if errors.Is(err, errTooLarge) {
		r.tooLarge = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("hold the items in memory: %w", err)
	}
	r.folder.held = m
	r.folder.cache.clear()
	return nil
}

// Held is how many items HoldItems has read.
func (r *Reader) Held() int {
	if r.folder.held == nil {
		return 0
	}
	return len(r.folder.held.ids)
}

// nearest finds the nearest items of each query where they are.
func (r *Reader) nearest(ctx context.Context, req Request, queries []recsys.Query, emit func(i int, hits []recsys.Hit)) error {
	m := r.folder.held
	if m == nil || req.Category != "" || len(req.Tags) > 0 {
		return r.data.NearestEach(ctx, r.version, queries, emit)
	}
	if m.revision < r.items {
		said, revision, err := r.data.Availability(ctx)
		if err != nil {
			return err
		}
		m.say(said, revision)
	}
	return m.nearest(ctx, queries, emit)
}
