package postgres_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

var sqlBlock = regexp.MustCompile("(?s)```sql\n(.*?)```")

// statement returns the only SQL statement on a page, unchanged.
func statement(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + page)
	require.NoError(t, err)
	blocks := sqlBlock.FindAllStringSubmatch(string(text), -1)
	require.Len(t, blocks, 1, page)
	return blocks[0][1]
}

// An operator runs these directly, to size a disk.
func TestDocs_have_SQL_that_works(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	s := postgrestest.Open(t, url)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(t.Context()) })

	postgrestest.Build(t, s, postgrestest.Fixture{Items: 20, Users: 5})
	var schema, size string
	require.NoError(t, conn.QueryRow(t.Context(), statement(t, "scaling.md")).Scan(&schema, &size))
	require.Equal(t, "v1", schema)
	require.Contains(t, size, "kB")
}
