package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres"
)

// noTemporal is an address where none answers.
const noTemporal = "127.0.0.1:1"

// withAPI runs the real API on the database of newSystem, for everybody on this
// machine, and lets the commands find it.
func withAPI(t *testing.T, temporal string) {
	t.Helper()
	port, err := postgres.FreePort()
	require.NoError(t, err)
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	cmd := exec.Command(filepath.Join(buildPrograms(t), "recflow-api"))
	cmd.Env = append(os.Environ(), "RECFLOW_API_AUTH=none", "RECFLOW_TEMPORAL_ADDRESS="+temporal,
		fmt.Sprintf("RECFLOW_API_ADDRESS=127.0.0.1:%d", port), "RECFLOW_API_METRICS_ADDRESS=127.0.0.1:0")
	cmd.Stderr = t.Output()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, cmd.Wait())
	})
	require.Eventually(t, func() bool {
		resp, err := http.Get(url + "/healthz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, 20*time.Second, 20*time.Millisecond)
	t.Setenv("RECFLOW_API_URL", url)
}
