package embeddings

// Access for tests to unexported parts of the store.

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// Explain returns the plan of a query as the store runs it.
func Explain(t testing.TB, s *Store, v recsys.Version, q recsys.Query) string {
	t.Helper()
	p, err := s.plan(t.Context(), v, q)
	if err != nil {
		t.Fatal(err)
	}
	return explain(t, s, p, v, q)
}

// ExplainWalk is Explain with an index scan of the graph forced, as it is on a
// large catalog.
func ExplainWalk(t testing.TB, s *Store, v recsys.Version, q recsys.Query) string {
	t.Helper()
	return explain(t, s, plan{ef: 100, candidates: q.K + 32}, v, q)
}

func explain(t testing.TB, s *Store, p plan, v recsys.Version, q recsys.Query) string {
	t.Helper()
	var text string
	err := s.db.InTx(t.Context(), func(tx pgx.Tx) error {
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

// Walk answers a query from the graph, however few items are eligible, without
// a fallback to an exact search.
func Walk(ctx context.Context, s *Store, v recsys.Version, q recsys.Query) ([]recsys.Hit, error) {
	eligible := v.Items
	if q.Category != "" {
		err := s.db.QueryRow(ctx, "SELECT count(*) FROM "+postgres.SchemaOf(v.ID)+".items WHERE category = $1", q.Category).Scan(&eligible)
		if err != nil {
			return nil, err
		}
	}
	var hits []recsys.Hit
	err := s.search(ctx, v, []recsys.Query{q}, []plan{walkPlan(v, q, eligible)}, func(_ int, found []recsys.Hit) { hits = found })
	return hits, err
}

// ExplainStates returns the plan of the lookup of n users' events.
func ExplainStates(t testing.TB, s *Store, v recsys.Version, n int) string {
	t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("u%d", i)
	}
	rows, err := s.db.Query(t.Context(), "EXPLAIN "+uncoveredEvents, ids, v.Coverage.To, v.Coverage.StoredTo)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
