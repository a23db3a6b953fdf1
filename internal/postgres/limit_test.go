package postgres_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

func TestOpen_gives_up_on_a_server_that_does_not_answer(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { silent.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = postgres.Open(ctx, postgres.Options{URL: "postgres://u@" + silent.Addr().String() + "/d?sslmode=disable"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.True(t, postgres.Unavailable(err), err)
	require.NoError(t, ctx.Err(), "connecting has a timeout of its own")
}

func TestStatementTimeout_ends_a_statement(t *testing.T) {
	t.Parallel()
	db, err := postgres.Open(t.Context(), postgres.Options{URL: postgrestest.URL(t), MaxConns: 2, StatementTimeout: 20 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	_, err = db.Exec(t.Context(), "SELECT pg_sleep(60)")
	require.True(t, postgres.TimedOut(err), err)
	var timeout string
	require.NoError(t, db.QueryRow(t.Context(), "SHOW statement_timeout").Scan(&timeout))
	require.Equal(t, "20ms", timeout)
}

func TestAcquireTimeout_bounds_the_wait_for_a_connection(t *testing.T) {
	t.Parallel()
	db, err := postgres.Open(t.Context(), postgres.Options{URL: postgrestest.URL(t), MaxConns: 1, AcquireTimeout: 50 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = db.InTx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SELECT pg_sleep(0.2)") // longer than the wait: only the wait is limited
		require.NoError(t, err)
		_, err = db.Exec(ctx, "SELECT 1")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, ctx.Err())
		return nil
	})
	require.NoError(t, err)
	_, err = db.Exec(ctx, "SELECT 1")
	require.NoError(t, err)
}

// A connection may lead to a server that has become read-only, while new connections
// lead to its successor.
func TestConnection_to_a_read_only_server_is_not_reused(t *testing.T) {
	t.Parallel()
	db, err := postgres.Open(t.Context(), postgres.Options{URL: postgrestest.URL(t), MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	backend := func() (pid int) {
		require.NoError(t, db.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid))
		return pid
	}
	first := backend()
	require.Equal(t, first, backend(), "connections are reused")
	for name, write := range map[string]func() error{
		"a statement": func() error {
			_, err := db.Exec(t.Context(), "DELETE FROM recflow.tokens")
			return err
		},
		"a batch": func() error {
			var b pgx.Batch
			b.Queue("SELECT 1")
			b.Queue("DELETE FROM recflow.tokens")
			return db.SendBatch(t.Context(), &b).Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			first := backend()
			_, err := db.Exec(t.Context(), "SET default_transaction_read_only = on")
			require.NoError(t, err)
			require.Equal(t, first, backend())
			err = write()
			require.True(t, postgres.Unavailable(err), err)
			require.NotEqual(t, first, backend())
			require.NoError(t, write())
		})
	}
}
