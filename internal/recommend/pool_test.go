package recommend_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recommend"
)

func TestReaderPool(t *testing.T) {
	b := setup(t, postgrestest.Fixture{})
	next := postgrestest.Build(t, b.store, postgrestest.Fixture{RunID: "next"})
	conn := postgrestest.Conn(t, b.store)

	t.Run("it makes the same lists for concurrent requests of any kind", func(t *testing.T) {
		b.Readers = recommend.NewReaderPool(time.Hour)
		var requests []recommend.Request
		for n := range 40 {
			requests = append(requests, recommend.Request{UserID: b.data.Users[n].ID, K: 5, Recent: []string{fmt.Sprintf("i%06d", n)}},
				recommend.Request{UserID: "unknown-user", K: 5, Category: fmt.Sprintf("c%d", n%4)})
		}
		plain := recommend.Recommender{Versions: b.store.VersionStore, Embeddings: b.store.EmbeddingStore}
		var group errgroup.Group
		group.SetLimit(12)
		for _, req := range requests {
			group.Go(func() error {
				want, err := plain.Recommend(t.Context(), req)
				if err != nil {
					return err
				}
				got, err := b.Recommend(t.Context(), req)
				assert.Equal(t, want, got)
				return err
			})
		}
		require.NoError(t, group.Wait())
	})
	t.Run("it follows a promotion within liveTTL", func(t *testing.T) {
		version := func() int64 {
			list, err := b.Recommend(t.Context(), recommend.Request{UserID: "unknown-user", K: 5})
			require.NoError(t, err)
			return list.Version
		}
		require.Equal(t, b.version.ID, version())
		b.promote(t, next)
		require.Equal(t, b.version.ID, version(), "the cached version is valid")
		b.Readers = recommend.NewReaderPool(50 * time.Millisecond)
		require.Equal(t, next.ID, version())
		b.promote(t, b.version)
		require.Eventually(t, func() bool { return version() == b.version.ID }, time.Second, 10*time.Millisecond)
	})
	t.Run("it follows at once if the cached version is dropped", func(t *testing.T) {
		b.Readers = recommend.NewReaderPool(time.Hour)
		list, err := b.Recommend(t.Context(), recommend.Request{UserID: "unknown-user", K: 5})
		require.NoError(t, err)
		require.Equal(t, b.version.ID, list.Version)
		b.promote(t, next)
		_, err = conn.Exec(t.Context(), fmt.Sprintf("DROP SCHEMA v%d CASCADE", b.version.ID))
		require.NoError(t, err)
		list, err = b.Recommend(t.Context(), recommend.Request{UserID: "unknown-user", K: 5})
		require.NoError(t, err)
		require.Equal(t, next.ID, list.Version)
		similar, err := b.Similar(t.Context(), "i000010", recommend.Request{K: 5})
		require.NoError(t, err)
		require.Equal(t, next.ID, similar.Version)
	})
}
