package versions_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

func create(t *testing.T, s *postgrestest.Store, f postgrestest.Fixture) recsys.Version {
	t.Helper()
	v, err := s.CreateVersion(t.Context(), versions.NewVersion{Manifest: postgrestest.Manifest(t, f)})
	require.NoError(t, err)
	return v
}

func TestCreateVersion_is_idempotent_by_run(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	m := postgrestest.Manifest(t, postgrestest.Fixture{})
	ids := make([]int64, 4)
	var group errgroup.Group
	for i := range ids {
		group.Go(func() error {
			v, err := s.CreateVersion(t.Context(), versions.NewVersion{Manifest: m})
			ids[i] = v.ID
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, []int64{ids[0], ids[0], ids[0], ids[0]}, ids)

	stored, err := s.Manifest(t.Context(), ids[0])
	require.NoError(t, err)
	require.Equal(t, m, stored)

	other := *m
	other.Parameters.Seed++
	_, err = s.CreateVersion(t.Context(), versions.NewVersion{Manifest: &other})
	require.ErrorIs(t, err, recsys.ErrConflict)

	require.NoError(t, s.Fail(t.Context(), ids[0], "failed"))
	again, err := s.CreateVersion(t.Context(), versions.NewVersion{Manifest: m, Owner: versions.Owner{WorkflowID: "w", RunID: "r"}})
	require.NoError(t, err)
	require.Greater(t, again.ID, ids[0])
	building, err := s.LoadingVersions(t.Context())
	require.NoError(t, err)
	require.Len(t, building, 1)
	require.Equal(t, versions.Owner{WorkflowID: "w", RunID: "r"}, building[0].Owner)
}

func TestClaim_fences_a_replaced_attempt(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := create(t, s, postgrestest.Fixture{})
	first, err := s.Claim(t.Context(), v.ID, "file-0")
	require.NoError(t, err)
	second, err := s.Claim(t.Context(), v.ID, "file-0")
	require.NoError(t, err)
	require.Greater(t, second.Token, first.Token)

	require.ErrorIs(t, versions.Complete(t.Context(), s.VersionStore, first, 1), recsys.ErrFenced)
	require.NoError(t, versions.Complete(t.Context(), s.VersionStore, second, 7))
	third, err := s.Claim(t.Context(), v.ID, "file-0")
	require.NoError(t, err)
	require.True(t, third.Done)
	require.EqualValues(t, 7, third.Rows)

	_, err = s.Claim(t.Context(), v.ID+99, "file-0")
	require.ErrorIs(t, err, recsys.ErrNotFound)
	require.NoError(t, s.MarkReady(t.Context(), v.ID, nil))
	_, err = s.Claim(t.Context(), v.ID, "file-1")
	require.ErrorIs(t, err, recsys.ErrConflict)
}

func TestFail_fences_a_running_copy_and_drops_its_tables(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := create(t, s, postgrestest.Fixture{})
	claim, err := s.Claim(t.Context(), v.ID, "file-0")
	require.NoError(t, err)

	// A COPY that does not end by itself.
	conn := postgrestest.Conn(t, s)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	feed, end := io.Pipe()
	copied := make(chan error, 1)
	go func() {
		_, err := tx.Conn().PgConn().CopyFrom(context.Background(), feed, "COPY v1.holdout FROM STDIN")
		copied <- err
	}()
	_, err = end.Write([]byte("u\te\ti\tclick\t\\N\t2024-01-01\tf\n"))
	require.NoError(t, err)
	watch := postgrestest.Conn(t, s)
	require.Eventually(t, func() bool {
		var n int
		err := watch.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE relation = 'v1.holdout'::regclass AND mode = 'RowExclusiveLock' AND granted").Scan(&n)
		return err == nil && n > 0
	}, 10*time.Second, 2*time.Millisecond)

	failed := make(chan error, 1)
	go func() { failed <- s.Fail(t.Context(), v.ID, "cancelled") }()
	require.Eventually(t, func() bool {
		now, err := s.Version(t.Context(), v.ID)
		return err == nil && now.State == recsys.Failed
	}, 5*time.Second, 5*time.Millisecond, "the state changes although the COPY locks the table")
	select {
	case err := <-failed:
		t.Fatalf("the tables cannot be dropped yet: %v", err)
	default:
	}

	require.NoError(t, end.Close())
	require.NoError(t, <-copied)
	require.ErrorIs(t, versions.Complete(t.Context(), s.VersionStore, claim, 1), recsys.ErrFenced)
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, <-failed)
	require.Equal(t, 0, schemas(t, conn))
	require.NoError(t, s.Fail(t.Context(), v.ID, "again"), "it is idempotent")
}

func TestFail_has_no_effect_on_a_complete_version(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 50, Users: 20})
	require.NoError(t, s.Fail(t.Context(), v.ID, "too late"))
	now, err := s.Version(t.Context(), v.ID)
	require.NoError(t, err)
	require.Equal(t, recsys.Ready, now.State)
	require.Equal(t, 1, schemas(t, postgrestest.Conn(t, s)))
}

// schemas counts the versions that have data.
func schemas(t *testing.T, conn *pgx.Conn) (n int) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_namespace WHERE nspname ~ '^v\d+$'`).Scan(&n))
	return n
}
