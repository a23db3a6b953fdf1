package versions_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

// onSeen makes a change only while the live pointer is at the expected
// revision.
func onSeen(t *testing.T, s *postgrestest.Store, version, seen int64, change func(*versions.Store) error) error {
	return s.Audited(t.Context(), ledger.Audit{Actor: "test", Action: "test"}, func(db *postgres.DB) error {
		tx := versions.New(db)
		locked, err := tx.LockVersion(t.Context(), version)
		if err != nil {
			return err
		}
		if locked.Revision != seen {
			return recsys.ErrConflict
		}
		return change(tx)
	})
}

// tally counts the winners of a race. All others must get an error.
type tally struct{ won, lost atomic.Int64 }

func (c *tally) count(err error) error {
	switch {
	case err == nil:
		c.won.Add(1)
	case errors.Is(err, recsys.ErrConflict):
		c.lost.Add(1)
	default:
		return err
	}
	return nil
}

func TestPromote_succeeds_for_one_of_several_operators(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	made := ready(t, s, 4)
	postgrestest.Promote(t, s, made[0].ID)
	at := postgrestest.Promote(t, s, made[1].ID)
	var c tally
	var group errgroup.Group
	for i := range 8 {
		group.Go(func() error {
			switch i % 4 {
			case 0:
				return c.count(onSeen(t, s, made[1].ID, at.Revision, func(tx *versions.Store) error {
					_, err := tx.Rollback(t.Context(), "test", "worse")
					return err
				}))
			case 1: // a refresh
				_, err := s.Promote(t.Context(), versions.Promotion{Version: made[3].ID, IfRevision: &at.Revision})
				return c.count(err)
			default:
				return c.count(onSeen(t, s, made[2].ID, at.Revision, func(tx *versions.Store) error {
					_, err := tx.Promote(t.Context(), versions.Promotion{Version: made[2].ID})
					return err
				}))
			}
		})
	}
	require.NoError(t, group.Wait())
	// The two refreshes request the same version, which is no conflict between
	// them.
	live, err := s.Live(t.Context())
	require.NoError(t, err)
	require.Equal(t, at.Revision+1, live.Revision, "there was one promotion")
	if live.Version.ID == made[3].ID {
		require.EqualValues(t, 2, c.won.Load())
	} else {
		require.EqualValues(t, 1, c.won.Load())
	}
	require.EqualValues(t, 8, c.won.Load()+c.lost.Load())
}

func TestPromote_and_Rollback_concurrently(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	made := ready(t, s, 3)
	for range 20 {
		postgrestest.Promote(t, s, made[0].ID) // the version that a rollback returns to
		at := postgrestest.Promote(t, s, made[1].ID)
		var c tally
		var group errgroup.Group
		group.Go(func() error {
			_, err := s.Promote(t.Context(), versions.Promotion{Version: made[2].ID, IfRevision: &at.Revision})
			return c.count(err)
		})
		group.Go(func() error {
			return c.count(onSeen(t, s, made[1].ID, at.Revision, func(tx *versions.Store) error {
				_, err := tx.Rollback(t.Context(), "test", "worse")
				return err
			}))
		})
		require.NoError(t, group.Wait())
		require.Equal(t, []int64{1, 1}, []int64{c.won.Load(), c.lost.Load()})
	}
}

func TestDelete_refuses_needed_versions(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	made := ready(t, s, 4) // 1 and 2 were live, 3 is live, 4 never was
	loading := postgrestest.Build(t, s, postgrestest.Fixture{RunID: "loading", Items: 30, Users: 10, Loading: true})
	for _, v := range made[:3] {
		postgrestest.Promote(t, s, v.ID)
	}
	remove := func(d versions.Deletion) error { return s.Delete(t.Context(), d) }
	refused := func(version int64, why string) {
		t.Helper()
		err := remove(versions.Deletion{Version: version})
		require.ErrorIs(t, err, recsys.ErrConflict)
		require.ErrorContains(t, err, why)
	}
	refused(3, "it is live")
	refused(2, "a rollback would return to it")
	refused(loading.ID, "it is loading")
	require.NoError(t, s.Pin(t.Context(), 4, true))
	refused(4, "it is pinned")
	require.NoError(t, s.Pin(t.Context(), 4, false))
	require.ErrorIs(t, remove(versions.Deletion{Version: 99}), recsys.ErrNotFound)

	require.NoError(t, remove(versions.Deletion{Version: 4}))
	require.NoError(t, remove(versions.Deletion{Version: 4}), "it is idempotent")
	require.NoError(t, remove(versions.Deletion{Version: 2, RollbackTarget: true}))
	gone, err := s.Version(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, recsys.Dropped, gone.State)
	_, err = s.Promote(t.Context(), versions.Promotion{Version: 2})
	require.ErrorIs(t, err, recsys.ErrConflict)

	// A reader may use it until its cached pointer has expired.
	dropped, err := s.Prune(t.Context(), versions.PruneOptions{ReaderTTL: time.Hour})
	require.NoError(t, err)
	require.Equal(t, []int64{4}, dropped, "it was never live")
	_, err = s.User(t.Context(), made[1], "u00001")
	require.NoError(t, err)
	refused(1, "a rollback would return to it")
	dropped, err = s.Prune(t.Context(), versions.PruneOptions{})
	require.NoError(t, err)
	require.Equal(t, []int64{2}, dropped)
	_, err = s.User(t.Context(), made[1], "u00001")
	require.ErrorIs(t, err, recsys.ErrVersionGone)

	live, err := s.Rollback(t.Context(), "test", "worse")
	require.NoError(t, err)
	require.EqualValues(t, 1, live.Version.ID, "a rollback skips a deleted version")
}

// blocked runs fn, which has to wait for a lock on the promotion history, and
// calls then with its backend once it waits.
func blocked(t *testing.T, s *postgrestest.Store, fn func() error, then func(watch *pgx.Conn, pid int32)) error {
	t.Helper()
	conn := postgrestest.Conn(t, s)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE recflow.live_changes IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- fn() }()
	watch := postgrestest.Conn(t, s)
	var pid int32
	require.Eventually(t, func() bool {
		return watch.QueryRow(t.Context(), "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%previous_live%'").Scan(&pid) == nil
	}, 10*time.Second, 2*time.Millisecond, "it waits")
	then(watch, pid)
	err = <-done
	require.NoError(t, tx.Rollback(t.Context()))
	return err
}

func TestRollback_and_Delete_report_why_they_failed(t *testing.T) {
	t.Parallel()
	signal := func(call string) func(*pgx.Conn, int32) {
		return func(watch *pgx.Conn, pid int32) {
			_, err := watch.Exec(t.Context(), "SELECT "+call+"($1)", pid)
			require.NoError(t, err)
		}
	}
	for name, c := range map[string]struct {
		then  func(watch *pgx.Conn, pid int32)
		check func(t *testing.T, err error)
	}{
		"the lock is not granted": {
			func(*pgx.Conn, int32) {},
			func(t *testing.T, err error) { require.ErrorIs(t, err, recsys.ErrConflict) },
		},
		"the backend is terminated": {
			signal("pg_terminate_backend"),
			func(t *testing.T, err error) { require.True(t, postgres.Unavailable(err), err.Error()) },
		},
		"the statement is cancelled": {
			signal("pg_cancel_backend"),
			func(t *testing.T, err error) { require.ErrorContains(t, err, "SQLSTATE 57014") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := postgrestest.New(t)
			for _, v := range ready(t, s, 3) {
				postgrestest.Promote(t, s, v.ID)
			}
			for doing, fn := range map[string]func() error{
				"roll back":        func() error { _, err := s.Rollback(t.Context(), "test", "worse"); return err },
				"delete version 1": func() error { return s.Delete(t.Context(), versions.Deletion{Version: 1}) },
			} {
				err := blocked(t, s, fn, c.then)
				c.check(t, err)
				require.ErrorContains(t, err, doing+": ")
				require.NotContains(t, err.Error(), "version 0")
				require.NotContains(t, err.Error(), "aborted")
			}
			live, err := s.Live(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 3, live.Version.ID)
		})
	}
}
