// Package terraform runs Terraform for tests: on copies of terraform/, so that the
// checkout stays clean, and without a network if the provider is in a filesystem
// mirror.
package terraform

import (
	"bytes"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
)

// provider is the only provider that recflow uses.
const provider = "registry.terraform.io/hashicorp/aws"

// Runner runs Terraform in one directory.
type Runner struct {
	t       testing.TB
	command string
	mirror  string // directory of providers; empty: the registry
	dir     string
	env     []string
}

// New returns a runner in dir. It skips the test on a machine without Terraform, or
// without access to the AWS provider. The environment contains none of the user's
// AWS and Terraform settings, but vars.
func New(t testing.TB, dir string, vars ...string) *Runner {
	t.Helper()
	toolchaintest.SkipShort(t)
	command, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not on PATH")
	}
	r := &Runner{t: t, command: command, mirror: mirror(), dir: dir}
	if r.mirror == "" && !reachable() {
		t.Skip("the AWS provider is available neither from a mirror nor from its registry")
	}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "AWS_") && !strings.HasPrefix(kv, "TF_") {
			r.env = append(r.env, kv)
		}
	}
	r.env = append(r.env, "TF_CLI_CONFIG_FILE="+os.DevNull, "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1")
	if r.mirror != "" {
		r.env = append(r.env, "TF_CLI_ARGS_init=-no-color -plugin-dir="+r.mirror)
	}
	r.env = append(r.env, vars...)
	return r
}

// Init installs the modules and the provider.
func (r *Runner) Init() {
	r.t.Helper()
	r.Must("init", "-backend=false", "-input=false")
}

// Env is the environment of the runs, for a shell that runs Terraform itself.
func (r *Runner) Env() []string { return slices.Clone(r.env) }

// Must runs a command and returns its output; it ends the test if the command
// fails.
func (r *Runner) Must(args ...string) string {
	r.t.Helper()
	out, err := r.Run(args...)
	if err != nil {
		r.t.Fatalf("terraform %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// Run runs a command and returns its output, both streams.
func (r *Runner) Run(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(r.t.Context(), r.command, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = r.dir, r.env, &out, &out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	err := cmd.Run()
	return out.String(), err
}

// Copy copies the checkout's terraform/ into a directory of the test, and each
// given directory on top. It returns the copy.
func Copy(t testing.TB, source string, over ...string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "terraform")
	for _, from := range append([]string{source}, over...) {
		if err := copyTree(to, from); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// copyTree copies regular files, replacing existing ones, without Terraform's
// working files.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".terraform" {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		if strings.Contains(d.Name(), ".tfstate") || !d.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o644)
	})
}

// mirror looks for the provider in the directories where Terraform and package
// managers keep mirrors.
var mirror = sync.OnceValue(func() string {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/"
	}
	roots := []string{
		os.Getenv("TF_PLUGIN_CACHE_DIR"),
		filepath.Join(home, ".terraform.d", "plugins"), filepath.Join(home, ".terraform.d", "plugin-cache"),
		filepath.Join(home, ".local", "share", "terraform", "plugins"),
	}
	for _, pattern := range []string{"/usr/local/share/terraform/*", "/usr/share/terraform/*", "/opt/*", "/opt/terraform/*"} {
		found, _ := filepath.Glob(pattern)
		roots = append(roots, found...)
	}
	for _, root := range roots {
		found, _ := filepath.Glob(filepath.Join(root, provider, "5.*", runtime.GOOS+"_"+runtime.GOARCH))
		if root != "" && len(found) > 0 {
			return root
		}
	}
	return ""
})

// reachable reports whether the provider registry responds.
var reachable = sync.OnceValue(func() bool {
	conn, err := net.DialTimeout("tcp", "registry.terraform.io:443", 2*time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
})
