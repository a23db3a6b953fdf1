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
