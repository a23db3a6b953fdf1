package pgserver_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/local/pgserver/pgservertest"
	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
)

func newServer(t *testing.T) *pgserver.Server {
	t.Helper()
	toolchaintest.SkipShort(t)
	s, err := pgservertest.New(t.TempDir())
	require.NoError(t, err)
	s.Password = "a 'quoted' p@ss/word"
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background(), pgserver.Immediate)) })
	return s
}

func connect(t *testing.T, url string) (*pgx.Conn, error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err == nil {
		t.Cleanup(func() { conn.Close(context.Background()) })
	}
	return conn, err
}

func TestServer_starts_keeps_its_data_and_stops(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx := t.Context()
	require.NoError(t, s.Init(ctx))
	require.NoError(t, s.Start(ctx))
	require.True(t, s.Running(ctx))
	require.NoError(t, s.Start(ctx), "starting a running server does nothing")

	conn, err := connect(t, s.URL("postgres"))
	require.NoError(t, err)
	_, err = conn.Exec(ctx, "CREATE TABLE kept AS SELECT 42 AS answer")
	require.NoError(t, err)

	require.NoError(t, s.Stop(ctx, pgserver.Immediate))
	require.False(t, s.Running(ctx))
	require.NoError(t, s.Stop(ctx, pgserver.Fast), "stopping a stopped server does nothing")

	require.NoError(t, s.Init(ctx), "a second Init keeps the data")
	require.NoError(t, s.Start(ctx))
	conn, err = connect(t, s.URL("postgres"))
	require.NoError(t, err)
	var answer int
	require.NoError(t, conn.QueryRow(ctx, "SELECT answer FROM kept").Scan(&answer))
	require.Equal(t, 42, answer)
}

func TestServer_requires_a_password_and_listens_on_loopback_only(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	require.NoError(t, s.Init(t.Context()))
	require.NoError(t, s.Start(t.Context()))

	wrong := *s
	wrong.Password = "guess"
	_, err := connect(t, wrong.URL("postgres"))
	require.ErrorContains(t, err, "password authentication failed")

	conn, err := connect(t, s.URL("postgres"))
	require.NoError(t, err)
	var addresses, sockets string
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories')").Scan(&addresses, &sockets))
	require.Equal(t, "127.0.0.1", addresses)
	require.Empty(t, sockets)

	info, err := os.Stat(s.Data)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestServer_names_a_port_in_use(t *testing.T) {
	t.Parallel()
	first, second := newServer(t), newServer(t)
	require.NoError(t, first.Init(t.Context()))
	require.NoError(t, first.Start(t.Context()))
	second.Port = first.Port
	require.NoError(t, second.Init(t.Context()))
	require.ErrorContains(t, second.Start(t.Context()), "is taken")
}
