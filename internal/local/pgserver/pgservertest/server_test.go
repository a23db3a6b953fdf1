package pgservertest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/pgserver/pgservertest"
)

// A test binary may end abruptly: it is killed, or it panics.
func TestShared_stops_when_its_process_ends(t *testing.T) {
	if path := os.Getenv("PGSERVERTEST_FILE"); path != "" { // this is the process that is killed
		s := pgservertest.Shared(t)
		require.Same(t, s, pgservertest.Shared(t))
		require.NoError(t, os.WriteFile(path, []byte(strconv.Itoa(s.PID())+"\n"+filepath.Dir(s.Data)), 0o600))
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGKILL))
	}
	t.Parallel()
	server := pgservertest.Server(t)
	require.True(t, server.Running(t.Context()))

	path := filepath.Join(t.TempDir(), "server")
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), "PGSERVERTEST_FILE="+path)
	out, err := child.CombinedOutput()
	require.ErrorContains(t, err, "killed", string(out))
	told, err := os.ReadFile(path)
	require.NoError(t, err)
	pid, dir, _ := strings.Cut(string(told), "\n")
	id, err := strconv.Atoi(pid)
	require.NoError(t, err)
	harnesstest.Eventually(t, "the server is gone", func() bool { return syscall.Kill(id, 0) != nil })
	harnesstest.Eventually(t, "its directory is gone", func() bool { _, err := os.Stat(dir); return os.IsNotExist(err) })
}
