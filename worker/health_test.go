package main

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/health"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/temporaltest"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	p, err := listen("127.0.0.1:0")
	require.NoError(t, err)
	defer p.Close()
	address := p.server.Addr
	_, err = listen(address)
	require.ErrorContains(t, err, "RECFLOW_WORKER_HEALTH_ADDRESS", "it does not start if the port is in use")

	require.ErrorContains(t, health.Ask(t.Context(), address), "503", "it does not poll yet")
	p.set(polling)
	require.NoError(t, health.Ask(t.Context(), address))
	p.set(stopped)
	require.ErrorContains(t, health.Ask(t.Context(), address), "503")
	p.Close()
	require.ErrorContains(t, health.Ask(t.Context(), address), "does not respond")
}

func TestHealth_listens_on_loopback_only(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:14580", ":14580", "10.0.0.1:14580", "localhost:14580", "14580"} {
		err := config.Worker{HealthAddress: address}.Validate()
		require.ErrorContains(t, err, "RECFLOW_WORKER_HEALTH_ADDRESS", address)
	}
	for _, address := range []string{"", "127.0.0.1:14580", "[::1]:14580"} {
		err := config.Worker{HealthAddress: address}.Validate()
		require.NotContains(t, err.Error(), "RECFLOW_WORKER_HEALTH_ADDRESS", address)
	}
}

func TestServe_drains_and_exits_when_the_health_server_fails(t *testing.T) {
	t.Parallel()
	server := temporaltest.Shared(t)
	temporal, err := client.Dial(client.Options{HostPort: server.Address, Namespace: server.Namespace(t), Logger: temporaltest.Quiet})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	store := postgrestest.New(t)

	p, err := listen("")
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.serve(listener)
	defer p.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	over := make(chan error, 1)
	go func() {
		c := config.Worker{Temporal: config.Temporal{TaskQueue: "recflow"}, DrainTimeout: time.Second}
		over <- serve(ctx, slog.New(slog.DiscardHandler), c, p, temporal, &activities.Activities{Versions: store.VersionStore, Events: store.EventStore, Ledger: store.LedgerStore, Temporal: temporal})
	}()
	require.Eventually(t, func() bool { return health.Ask(ctx, p.server.Addr) == nil }, waitTimeout, 10*time.Millisecond)
	require.NoError(t, listener.Close())
	select {
	case err := <-over:
		require.ErrorContains(t, err, "serve health checks")
		require.ErrorIs(t, err, net.ErrClosed)
	case <-time.After(20 * time.Second):
		t.Fatal("it keeps running after its health server failed")
	}
}
