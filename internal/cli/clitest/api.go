package clitest

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
)

// NoTemporal is an address without a Temporal service.
const NoTemporal = "127.0.0.1:1"

// apiReady matches the log line with the API's address.
var apiReady = regexp.MustCompile(`"msg":"api ready","address":"([^"]+)"`)

// StartAPI runs the real API on the database of NewSystem, without authentication
// unless env, which is NAME=value, sets it, and sets the variables by which
// commands find it.
func StartAPI(t *testing.T, temporal string, env ...string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(buildPrograms(t, "recflow-api"), "recflow-api"))
	cmd.Env = append(os.Environ(), "RECFLOW_API_AUTH=none", "RECFLOW_TEMPORAL_ADDRESS="+temporal,
		"RECFLOW_API_ADDRESS=127.0.0.1:0", "RECFLOW_API_METRICS_ADDRESS=127.0.0.1:0")
	cmd.Env = append(cmd.Env, env...)
	var log harnesstest.Buffer
	cmd.Stderr = io.MultiWriter(t.Output(), &log)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, cmd.Wait())
	})
	var address []string
	harnesstest.Eventually(t, "the API is ready", func() bool {
		address = apiReady.FindStringSubmatch(log.String())
		return address != nil
	})
	t.Setenv("RECFLOW_API_URL", "http://"+address[1])
}
