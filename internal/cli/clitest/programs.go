package clitest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
)

// module is the module path, from which any test finds packages to build.
const module = "github.com/recflow/recflow"

// programs is the directory of the binaries; it outlives the test that first needed
// them.
var programs struct {
	mu    sync.Mutex
	dir   string
	built map[string]bool
}

// Main runs the tests of a package and removes the binaries they built. It returns
// the exit code.
func Main(m *testing.M) int {
	code := m.Run()
	if programs.dir != "" {
		os.RemoveAll(programs.dir)
	}
	return code
}

// Programs compiles the binaries as `make build` does, next to a link to the
// training job. It returns their directory.
func Programs(t *testing.T) string {
	t.Helper()
	return buildPrograms(t, "recflow", "recflow-worker", "recflow-lambda", "recflow-api")
}

// buildPrograms compiles the binaries that are not compiled yet.
func buildPrograms(t *testing.T, names ...string) string {
	t.Helper()
	toolchaintest.SkipShort(t)
	programs.mu.Lock()
	defer programs.mu.Unlock()
	require.NoError(t, makeFolder())
	bin := filepath.Join(programs.dir, "bin")
	for _, name := range names {
		if programs.built[name] {
			continue
		}
		pkg := module + "/" + strings.TrimPrefix(name, "recflow-")
		if name == "recflow" {
			pkg = module + "/cmd/recflow"
		}
		out, err := exec.Command("go", "build", "-o", filepath.Join(bin, name), pkg).CombinedOutput()
		require.NoError(t, err, "build %s: %s", name, out)
		programs.built[name] = true
	}
	return bin
}

// makeFolder creates the directory of the binaries, with the link to the training
// job.
func makeFolder() (err error) {
	if programs.dir != "" {
		return nil
	}
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	dir, err := os.MkdirTemp("", "recflow-programs")
	if err != nil {
		return err
	}
	programs.dir, programs.built = dir, map[string]bool{}
	return os.Symlink(filepath.Join(strings.TrimSpace(string(root)), "glue"), filepath.Join(dir, "glue"))
}
