package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/health"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	p, err := listen("127.0.0.1:0")
	require.NoError(t, err)
	defer p.Close()
	address := p.server.Addr
	_, err = listen(address)
	require.ErrorContains(t, err, "RECFLOW_WORKER_HEALTH_ADDRESS", "a port in use stops the start")

	require.ErrorContains(t, health.Ask(t.Context(), address), "503", "it does not poll yet")
	p.set(polling)
	require.NoError(t, health.Ask(t.Context(), address))
	p.set(stopped)
	require.ErrorContains(t, health.Ask(t.Context(), address), "503")
	p.Close()
	require.ErrorContains(t, health.Ask(t.Context(), address), "does not answer")
}

func TestHealthIsAskedOnLoopbackOnly(t *testing.T) {
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
