package events

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// ExplainLookup returns the plan of the lookup of n events.
func ExplainLookup(t testing.TB, s *Store, n int) string {
	t.Helper()
	ids, digests := make([]string, n), make([][]byte, n)
	for i := range ids {
		ids[i], digests[i] = fmt.Sprintf("e%d", i), make([]byte, 16)
	}
	rows, err := s.db.Query(t.Context(), "EXPLAIN "+readEvents, ids, digests)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
