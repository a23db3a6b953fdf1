package vectorstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/vectorstore"
	"github.com/recflow/recflow/internal/vectorstore/vectorstoretest"
)

func TestMigrateRunsTwiceAndAtOnce(t *testing.T) {
	t.Parallel()
	url := vectorstoretest.EmptyURL(t)
	_, err := vectorstore.Open(t.Context(), vectorstore.Options{URL: url})
	require.ErrorContains(t, err, "run the migrations first")

	var group errgroup.Group
	for range 4 {
		group.Go(func() error { return vectorstore.Migrate(t.Context(), url) })
	}
	require.NoError(t, group.Wait())
	require.NoError(t, vectorstore.Migrate(t.Context(), url))
	vectorstoretest.Open(t, url)
}
