package embeddings

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/pgvector/pgvector-go"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// Nearest returns the K available items with the largest recsys.SimilarScore (for
// β = 0: recsys.Score) with the query's vector under its filters, in descending order,
// ties by item id. There are min(K, eligible) of them under any filters. A result from
// an index, which is used only for β = 0, is approximate; the recall gate measures how
// much.
func (s *Store) Nearest(ctx context.Context, v recsys.Version, q recsys.Query) ([]recsys.Hit, error) {
	hits, err := s.NearestMany(ctx, v, []recsys.Query{q})
	if err != nil {
		return nil, err
	}
	return hits[0], nil
}

// NearestMany answers many queries in one round trip. Queries for which the
// index returns too few items are answered exactly in a second one.
func (s *Store) NearestMany(ctx context.Context, v recsys.Version, queries []recsys.Query) ([][]recsys.Hit, error) {
	hits := make([][]recsys.Hit, len(queries))
	err := s.NearestEach(ctx, v, queries, func(i int, found []recsys.Hit) { hits[i] = found })
	if err != nil {
		return nil, err
	}
	return hits, nil
}

// NearestEach is NearestMany for a caller that can use partial results: it
// emits each result as it arrives, in the order of the queries except for those
// that are answered again. Results emitted before an error are valid, so a
// deadline costs only the queries that it cuts off.
func (s *Store) NearestEach(ctx context.Context, v recsys.Version, queries []recsys.Query, emit func(i int, hits []recsys.Hit)) error {
	plans := make([]plan, len(queries))
	for i, q := range queries {
		if len(q.Vector) != v.Dimension {
			return fmt.Errorf("nearest items of version %d: the query has %d dimensions, the version %d", v.ID, len(q.Vector), v.Dimension)
		}
		p, err := s.plan(ctx, v, q)
		if err != nil {
			return err
		}
		plans[i] = p
	}
	again := make([]plan, len(queries))
	for i := range again {
		again[i] = plan{exact: true, skip: true}
	}
	err := s.search(ctx, v, queries, plans, func(i int, hits []recsys.Hit) {
		if !plans[i].exact && len(hits) < queries[i].K {
			again[i].skip = false
			return
		}
		emit(i, hits)
	})
	if err != nil {
		return err
	}
	return s.search(ctx, v, queries, again, emit)
}

// search sends the queries together. They run in one implicit transaction, so
// that set_config applies to exactly the statement after it.
func (s *Store) search(ctx context.Context, v recsys.Version, queries []recsys.Query, plans []plan, emit func(i int, hits []recsys.Hit)) error {
	batch := &pgx.Batch{}
	var pinned plan
	for i, q := range queries {
		p := plans[i]
		if p.skip || q.K <= 0 {
			continue
		}
		if batch.Len() == 0 || p.exact != pinned.exact || p.ef != pinned.ef {
			sql, args := p.settings()
			batch.Queue(sql, args...)
			pinned = p
		}
		sql, args := p.statement(v, q)
		batch.Queue(sql, args...).Query(func(rows pgx.Rows) error {
			hits, err := scoreHits(rows, q)
			if err == nil {
				emit(i, hits)
			}
			return err
		})
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := s.db.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("nearest items of version %d: %w", v.ID, postgres.Translate(err))
	}
	return nil
}

// scoreHits ranks the candidates of a search and keeps the best.
func scoreHits(rows pgx.Rows, q recsys.Query) ([]recsys.Hit, error) {
	hits, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (recsys.Hit, error) {
		h := recsys.Hit{Item: recsys.Item{Available: true}}
		var vector pgvector.Vector
		err := row.Scan(&h.ItemID, &h.Title, &h.Category, &h.Tags, &vector)
		if err == nil {
			h.Score = recsys.SimilarScore(q.Vector, vector.Slice(), q.Beta)
		}
		return h, err
	})
	if err != nil {
		return nil, err
	}
	return recsys.Best(hits, q.K), nil
}
