package embeddings

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// facets counts the items of the large categories and tags of a version. A
// value that is not in it is small: its items are compared one by one.
type facets struct {
	categories, tags map[string]int64
}

// estimate returns an upper bound of the rows that match the query's filters.
func (f facets) estimate(q recsys.Query) int64 {
	eligible := int64(-1)
	consider := func(rows int64) {
		if eligible < 0 || rows < eligible {
			eligible = rows
		}
	}
	if q.Category != "" {
		consider(f.categories[q.Category])
	}
	for _, tag := range q.Tags {
		consider(f.tags[tag])
	}
	return max(eligible, 0)
}

// facetCache caches the facets of the versions in use. They never change.
type facetCache struct {
	mu        sync.Mutex
	byVersion map[int64]facets
	latest    int64 // version of the last read of users
}

// first reports whether a version differs from that of the last call.
func (c *facetCache) first(version int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.latest != version
	c.latest = version
	return first
}

// cachedVersions limits the cache; a reader uses one or two versions at a time.
const cachedVersions = 8

func (s *Store) facets(ctx context.Context, v recsys.Version) (facets, error) {
	s.cache.mu.Lock()
	f, known := s.cache.byVersion[v.ID]
	s.cache.mu.Unlock()
	if known {
		return f, nil
	}
	rows, err := s.db.Query(ctx, fmt.Sprintf("SELECT kind, value, rows FROM %s.facets", postgres.SchemaOf(v.ID)))
	if err != nil {
		return f, fmt.Errorf("facets of version %d: %w", v.ID, postgres.Translate(err))
	}
	f = facets{categories: map[string]int64{}, tags: map[string]int64{}}
	var kind, value string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&kind, &value, &n}, func() error {
		if kind == "category" {
			f.categories[value] = n
		} else {
			f.tags[value] = n
		}
		return nil
	})
	if err != nil {
		return f, fmt.Errorf("facets of version %d: %w", v.ID, postgres.Translate(err))
	}
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	if s.cache.byVersion == nil || len(s.cache.byVersion) >= cachedVersions {
		s.cache.byVersion = map[int64]facets{}
	}
	s.cache.byVersion[v.ID] = f
	return f, nil
}

// CountFacets counts, while a version is being built, the categories and tags
// that are too large to be scanned.
func CountFacets(ctx context.Context, conn *pgxpool.Conn, v recsys.Version) error {
	schema := postgres.SchemaOf(v.ID)
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf("TRUNCATE %s.facets", schema)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, fmt.Sprintf(`
			INSERT INTO %[1]s.facets (kind, value, rows)
			SELECT 'category', category, count(*)
			FROM %[1]s.items
			WHERE category IS NOT NULL
			GROUP BY category
			HAVING count(*) > $1
			UNION ALL
			SELECT 'tag', tag, count(DISTINCT item_id)
			FROM %[1]s.items, unnest(tags) AS tag
			GROUP BY tag
			HAVING count(*) > $1`, schema), fewRows(v.Dimension))
		return err
	})
}
