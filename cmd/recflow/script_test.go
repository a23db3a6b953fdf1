package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
)

// TestScripts runs command lines of the real binaries, as a person types them,
// with a real local stack. Each script has a home and ports of its own.
func TestScripts(t *testing.T) {
	t.Parallel()
	tools := toolchaintest.Tools(t)
	local, err := config.ReadLocal()
	require.NoError(t, err)
	bin := buildPrograms(t)
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

// holdPort listens on a free port until the script ends, and names it in a
// variable.
func holdPort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

// programs is the folder of buildPrograms; it outlives the test that came first.
var programs string

func TestMain(m *testing.M) {
	code := m.Run()
	if programs != "" {
		os.RemoveAll(programs)
	}
	os.Exit(code)
}

// buildPrograms compiles the binaries as `make build` does, next to a link to
// the training job. It returns the folder of the binaries.
func buildPrograms(t *testing.T) string {
	t.Helper()
	toolchaintest.SkipShort(t)
	require.NoError(t, build())
	return filepath.Join(programs, "bin")
}

var build = sync.OnceValue(func() (err error) {
	if programs, err = os.MkdirTemp("", "recflow-programs"); err != nil {
		return err
	}
	for name, dir := range map[string]string{"recflow": ".", "recflow-worker": "../../worker", "recflow-lambda": "../../lambda", "recflow-api": "../../api"} {
		out, err := exec.Command("go", "build", "-o", filepath.Join(programs, "bin", name), dir).CombinedOutput()
		if err != nil {
			return fmt.Errorf("build %s: %w: %s", name, err, out)
		}
	}
	glue, err := filepath.Abs("../../glue")
	if err != nil {
		return err
	}
	return os.Symlink(glue, filepath.Join(programs, "glue"))
})

// stopStack stops what a failed script has left.
func stopStack(t *testing.T, bin, cache, home string) {
	cmd := exec.Command(filepath.Join(bin, "recflow"), "down", "--quiet")
	cmd.Env = append(os.Environ(), "RECFLOW_HOME="+home, "RECFLOW_CACHE="+cache)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("stop the stack: %v: %s", err, out)
	}
}
