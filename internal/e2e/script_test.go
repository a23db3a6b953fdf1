package e2e_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
)

// TestScripts runs command lines of the real binaries with a real local stack. Each
// script has its own home and ports.
func TestScripts(t *testing.T) {
	t.Parallel()
	tools := toolchaintest.Tools(t)
	local, err := config.ReadLocal()
	require.NoError(t, err)
	bin := clitest.Programs(t)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"hold-port": holdPort},
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			e.Setenv("RECFLOW_CACHE", local.Cache)
			e.Setenv("RECFLOW_HOME", home)
			e.Setenv("RECFLOW_POSTGRES_BIN", local.PostgresBin)
			e.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			e.Setenv("PYTHON", tools.Python)
			e.Setenv("HOME", e.WorkDir)
			e.Defer(func() { stopStack(t, bin, local.Cache, home) })
			return nil
		},
	})
}

// holdPort listens on a free port until the script ends, and sets a variable to its
// number.
func holdPort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

// stopStack stops what a failed script has left running.
func stopStack(t *testing.T, bin, cache, home string) {
	cmd := exec.Command(filepath.Join(bin, "recflow"), "down", "--quiet")
	cmd.Env = append(os.Environ(), "RECFLOW_HOME="+home, "RECFLOW_CACHE="+cache)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("stop the stack: %v: %s", err, out)
	}
}
