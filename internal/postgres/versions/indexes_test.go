package versions_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/local/pgserver/pgservertest"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

var graph = recsys.Search{Method: recsys.HNSW, M: 48, EFConstruction: 200, EFSearch: 200}

// slow returns a version whose graph takes some tenths of a second to build.
func slow(t *testing.T, s *postgrestest.Store) recsys.Version {
	t.Helper()
	return postgrestest.Load(t, s, postgrestest.Fixture{Items: 600, Users: 10, Dimension: 32, Search: graph})
}

func claimIndexes(t *testing.T, s *postgrestest.Store, version int64) versions.Claim {
	t.Helper()
	c, err := s.Claim(t.Context(), version, versions.IndexSlot)
	require.NoError(t, err)
	return c
}

// waitForGraph returns once a backend is building a graph.
func waitForGraph(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	require.Eventually(t, func() bool {
		var n int
		err := conn.QueryRow(t.Context(), `
			SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND state = 'active' AND query ~ '^CREATE INDEX items_embedding'`).Scan(&n)
		return err == nil && n > 0
	}, 30*time.Second, 2*time.Millisecond)
}

func indexNames(t *testing.T, conn *pgx.Conn) (names []string) {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT indexname FROM pg_indexes WHERE schemaname ~ '^v\d+$' ORDER BY 1`)
	require.NoError(t, err)
	names, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return names
}

var allIndexes = []string{"holdout_user", "items_category", "items_embedding", "items_pkey", "items_popularity", "items_tags", "users_pkey"}

func TestBuildIndexes_reports_progress_and_runs_once(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	s.ProgressEvery = 5 * time.Millisecond
	v := slow(t, s)
	var mu sync.Mutex
	steps := map[string]float64{}
	err := s.BuildIndexes(t.Context(), claimIndexes(t, s, v.ID), func(p versions.IndexProgress) {
		mu.Lock()
		defer mu.Unlock()
		steps[p.Step] = max(steps[p.Step], p.Percent)
	})
	require.NoError(t, err)
	require.Contains(t, steps, "vacuum items")
	require.Greater(t, steps["index items_embedding"], 0.0)
	require.Equal(t, allIndexes, indexNames(t, postgrestest.Conn(t, s)))

	again := claimIndexes(t, s, v.ID)
	require.True(t, again.Done)
	require.NoError(t, s.BuildIndexes(t.Context(), again, nil))
}

func TestBuildIndexes_stops_when_replaced(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := slow(t, s)
	old := claimIndexes(t, s, v.ID)
	replaced := make(chan error, 1)
	go func() { replaced <- s.BuildIndexes(t.Context(), old, nil) }()
	conn := postgrestest.Conn(t, s)
	waitForGraph(t, conn)
	require.NoError(t, s.BuildIndexes(t.Context(), claimIndexes(t, s, v.ID), nil), "the new attempt continues after the steps that the old one finished")
	require.ErrorIs(t, <-replaced, recsys.ErrFenced)
	require.Equal(t, allIndexes, indexNames(t, conn))
}

// A frozen worker holds its locks: the connection is open, and nothing comes over it.
func TestBuildIndexes_ends_the_sessions_of_frozen_attempts(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	s.ProgressEvery, s.FrozenAfter = 10*time.Millisecond, 100*time.Millisecond
	v := postgrestest.Load(t, s, postgrestest.Fixture{Items: 50, Users: 10, Search: graph})

	builder := postgrestest.Conn(t, s)
	_, err := builder.Exec(t.Context(), "SELECT pg_advisory_lock(1651861868, $1)", v.ID)
	require.NoError(t, err)
	writer := postgrestest.Conn(t, s)
	data, frozen := io.Pipe()
	copied := make(chan error, 1)
	go func() {
		_, err := writer.PgConn().CopyFrom(t.Context(), data, fmt.Sprintf("COPY v%d.items FROM STDIN", v.ID))
		copied <- err
	}()
	watch := postgrestest.Conn(t, s)
	require.Eventually(t, func() bool {
		var n int
		require.NoError(t, watch.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_progress_copy").Scan(&n))
		return n == 1
	}, 30*time.Second, 5*time.Millisecond)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, s.BuildIndexes(ctx, claimIndexes(t, s, v.ID), nil))
	require.Equal(t, allIndexes, indexNames(t, watch))
	require.Error(t, builder.Ping(t.Context()), "the session that held the lock was ended")
	frozen.Close()
	require.Error(t, <-copied)
}

func TestBuildIndexes_rejects_a_duplicate_id(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := postgrestest.Load(t, s, postgrestest.Fixture{Items: 30, Users: 10, Change: func(d *postgrestest.Data) {
		d.Users[3].ID = d.Users[4].ID
	}})
	err := s.BuildIndexes(t.Context(), claimIndexes(t, s, v.ID), nil)
	require.ErrorIs(t, err, recsys.ErrManifestInvalid)
	require.NotContains(t, err.Error(), "u0000", "an error never contains a user id")
}

func TestBuildIndexes_rejects_a_vector_beyond_half_precision(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	search := recsys.Search{Method: recsys.HNSW, M: 16, EFConstruction: 64, EFSearch: 100, HalfVector: true}
	v := postgrestest.Load(t, s, postgrestest.Fixture{Items: 30, Users: 10, Search: search, Change: func(d *postgrestest.Data) {
		d.Items[3].Vector[0] = 1e6
	}})
	err := s.BuildIndexes(t.Context(), claimIndexes(t, s, v.ID), nil)
	require.ErrorIs(t, err, recsys.ErrManifestInvalid)
}

func TestBuildIndexes_leaves_no_backend_after_a_cancellation(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	// Large enough not to finish before the test interrupts it.
	v := postgrestest.Load(t, s, postgrestest.Fixture{Items: 15_000, Users: 10, Dimension: 32, Search: graph})
	conn := postgrestest.Conn(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	claim := claimIndexes(t, s, v.ID)
	go func() { stopped <- s.BuildIndexes(ctx, claim, nil) }()
	waitForGraph(t, conn)
	faults := harnesstest.CountFaults(t, "build cancelled", "connection cut")
	faults.Inject("build cancelled")
	cancel()
	require.ErrorIs(t, <-stopped, context.Canceled)
	requireNoBuild(t, conn)

	// As when the worker is killed: the connection closes without a
	// cancellation.
	address, cut := forward(t, conn.Config().Host, conn.Config().Port)
	far := postgrestest.Open(t, strings.Replace(conn.Config().ConnString(),
		fmt.Sprintf("%s:%d", conn.Config().Host, conn.Config().Port), address, 1))
	claim = claimIndexes(t, s, v.ID)
	go func() { stopped <- far.BuildIndexes(t.Context(), claim, nil) }()
	waitForGraph(t, conn)
	cut()
	require.Error(t, <-stopped)
	faults.Inject("connection cut")
	requireNoBuild(t, conn)
}

// forward forwards connections to host:port until cut is called.
func forward(t *testing.T, host string, port uint16) (address string, cut func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var mu sync.Mutex
	var open []net.Conn
	cut = func() {
		l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			c.Close()
		}
	}
	t.Cleanup(cut)
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
			if err != nil {
				near.Close()
				continue
			}
			mu.Lock()
			open = append(open, near, far)
			mu.Unlock()
			go io.Copy(near, far) // ends when either side is closed
			go io.Copy(far, near)
		}
	}()
	return l.Addr().String(), cut
}

// requireNoBuild waits until no backend builds an index or holds a build lock.
func requireNoBuild(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	require.Eventually(t, func() bool {
		var n int
		err := conn.QueryRow(t.Context(), `
			SELECT (SELECT count(*) FROM pg_stat_activity
			        WHERE datname = current_database() AND state = 'active' AND query ILIKE 'CREATE INDEX%')
			     + (SELECT count(*) FROM pg_locks
			        WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&n)
		return err == nil && n == 0
	}, 5*time.Second, 20*time.Millisecond)
}

func TestBuildIndexes_resumes_after_an_immediate_restart(t *testing.T) {
	t.Parallel()
	server := pgservertest.Server(t)
	url := server.URL("postgres")
	require.NoError(t, postgres.Migrate(t.Context(), url))
	s := postgrestest.Open(t, url)
	v := slow(t, s)
	claim := claimIndexes(t, s, v.ID)
	broken := make(chan error, 1)
	go func() { broken <- s.BuildIndexes(t.Context(), claim, nil) }()
	waitForGraph(t, postgrestest.Conn(t, s))
	faults := harnesstest.CountFaults(t)
	require.NoError(t, server.Stop(t.Context(), pgserver.Immediate))
	require.Error(t, <-broken)
	faults.Inject("Postgres crashed")
	require.NoError(t, server.Start(t.Context()))

	require.Eventually(t, func() bool { // the pool may first return dead connections
		_, err := s.Version(t.Context(), v.ID)
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	conn := postgrestest.Conn(t, s)
	require.NotContains(t, indexNames(t, conn), "items_embedding")
	require.NoError(t, s.BuildIndexes(t.Context(), claimIndexes(t, s, v.ID), nil))
	require.Equal(t, allIndexes, indexNames(t, conn))
}

func TestBuildIndexes_freezes_every_table(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	postgrestest.Build(t, s, postgrestest.Fixture{Items: 50, Users: 30})
	var thawed int
	err := postgrestest.Conn(t, s).QueryRow(t.Context(), `
		SELECT count(*) FROM pg_class c
		WHERE c.relnamespace = 'v1'::regnamespace AND c.relkind = 'r' AND c.relname <> 'facets'
		AND c.relallvisible < c.relpages`).Scan(&thawed)
	require.NoError(t, err)
	require.Zero(t, thawed)
}

func TestBuildIndexes_reports_every_second_by_default(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := postgrestest.Load(t, s, postgrestest.Fixture{Items: 30, Users: 10})
	other := postgrestest.Conn(t, s) // an earlier attempt, which holds the build lock
	const buildLock = 0x6275696c
	_, err := other.Exec(t.Context(), "SELECT pg_advisory_lock($1, $2)", int32(buildLock), int32(v.ID))
	require.NoError(t, err)
	reported := make(chan time.Time, 100)
	built := make(chan error, 1)
	go func() {
		built <- s.BuildIndexes(t.Context(), claimIndexes(t, s, v.ID), func(p versions.IndexProgress) {
			if p.Step == "wait for an earlier attempt" {
				reported <- time.Now()
			}
		})
	}()
	first := <-reported
	require.GreaterOrEqual(t, (<-reported).Sub(first), time.Second)
	_, err = other.Exec(t.Context(), "SELECT pg_advisory_unlock($1, $2)", int32(buildLock), int32(v.ID))
	require.NoError(t, err)
	require.NoError(t, <-built)
}
