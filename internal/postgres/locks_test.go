package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

func TestExclusive_runs_one_at_a_time(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	turn := func(name string, do func() error) error {
		return s.Transaction(t.Context(), func(tx *postgres.DB) error {
			if err := tx.Exclusive(t.Context(), name); err != nil {
				return err
			}
			return do()
		})
	}
	err := turn("a", func() error {
		require.NoError(t, turn("b", func() error { return nil }), "another name is another lock")
		began := time.Now()
		err := turn("a", func() error { return errors.New("two at a time") })
		require.Less(t, time.Since(began), 10*time.Second)
		return err
	})
	require.ErrorIs(t, err, recsys.ErrConflict)
	require.NoError(t, turn("a", func() error { return nil }), "the lock is released")
}
