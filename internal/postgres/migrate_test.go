package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

func TestMigrate_is_idempotent_and_concurrent(t *testing.T) {
	t.Parallel()
	url := postgrestest.EmptyURL(t)
	_, err := postgres.Open(t.Context(), postgres.Options{URL: url})
	require.ErrorContains(t, err, "run the migrations first")

	var group errgroup.Group
	for range 4 {
		group.Go(func() error { return postgres.Migrate(t.Context(), url) })
	}
	require.NoError(t, group.Wait())
	require.NoError(t, postgres.Migrate(t.Context(), url))
	postgrestest.Open(t, url)
}

// A task of the old build restarts after the migration, and the old build can be
// deployed again.
func TestCheckSchema_accepts_the_next_version(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	require.NoError(t, s.CheckSchema(t.Context()))
	conn := postgrestest.Conn(t, s)
	for _, c := range []struct {
		change  string
		problem string
	}{
		{"+ 1", ""}, {"+ 1", "use a newer binary"}, {"- 3", "recflow database migrate"},
	} {
		_, err := conn.Exec(t.Context(), "UPDATE recflow.schema_version SET version = version "+c.change)
		require.NoError(t, err)
		if c.problem == "" {
			require.NoError(t, s.CheckSchema(t.Context()))
			continue
		}
		require.ErrorContains(t, s.CheckSchema(t.Context()), c.problem)
	}
}
