package vectorstore

// What the tests see of the unexported half of the store.

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/recsys"
)

// Complete completes a claim in a transaction of its own, for the tests.
func Complete(ctx context.Context, s *Store, c Claim, rows int64) error {
	return s.inTx(ctx, func(tx pgx.Tx) error { return c.complete(ctx, tx, rows) })
}

// Explain returns the plan of a query as Postgres makes it.
func Explain(t testing.TB, s *Store, v recsys.Version, q Query) string {
	t.Helper()
	p, err := s.plan(t.Context(), v, q)
	if err != nil {
		t.Fatal(err)
	}
	return explain(t, s, p, v, q)
}

// ExplainWalk is Explain with the walk through the graph forced, as it is on a
// catalogue that is large enough.
func ExplainWalk(t testing.TB, s *Store, v recsys.Version, q Query) string {
	t.Helper()
	return explain(t, s, plan{ef: 100, candidates: q.K + 32}, v, q)
}

func explain(t testing.TB, s *Store, p plan, v recsys.Version, q Query) string {
	t.Helper()
	var text string
	err := s.inTx(t.Context(), func(tx pgx.Tx) error {
		sql, args := p.settings()
		if _, err := tx.Exec(t.Context(), sql, args...); err != nil {
			return err
		}
		sql, args = p.statement(v, q)
		rows, err := tx.Query(t.Context(), "EXPLAIN (COSTS OFF) "+sql, args...)
		if err != nil {
			return err
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		for _, line := range lines {
			text += line + "\n"
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Walk answers a query from the graph however few items are eligible, and does
// not fall back.
func Walk(ctx context.Context, s *Store, v recsys.Version, q Query) ([]Hit, error) {
	eligible := v.Items
	if q.Category != "" {
		err := s.pool.QueryRow(ctx, "SELECT count(*) FROM "+schemaOf(v.ID)+".items WHERE category = $1", q.Category).Scan(&eligible)
		if err != nil {
			return nil, err
		}
	}
	var hits []Hit
	err := s.search(ctx, v, []Query{q}, []plan{walkPlan(v, q, eligible)}, func(_ int, found []Hit) { hits = found })
	return hits, err
}

// ExplainStream returns the plans of what a batch of the stream reads, asked for
// n ids, by name.
func ExplainStream(ctx context.Context, t testing.TB, s *Store, v recsys.Version, n int) map[string]string {
	t.Helper()
	ids, digests := make([]string, n), make([][]byte, n)
	for i := range ids {
		ids[i], digests[i] = fmt.Sprintf("e%d", i), make([]byte, 16)
	}
	plans := map[string]string{}
	for name, q := range map[string]struct {
		sql  string
		args []any
	}{
		"events": {readEvents, []any{ids, digests}},
		"states": {uncoveredEvents, []any{ids, v.Coverage.To, v.Coverage.StoredTo}},
	} {
		rows, err := s.pool.Query(ctx, "EXPLAIN "+q.sql, q.args...)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		plans[name] = strings.Join(lines, "\n")
	}
	return plans
}
