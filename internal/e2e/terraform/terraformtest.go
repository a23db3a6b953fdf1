// Package terraform runs Terraform for tests: on copies of terraform/, so
// that nothing is left in the checkout, and without a network where the provider
// lies in a filesystem mirror.
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

// provider is the only one that recflow uses.
const provider = "registry.terraform.io/hashicorp/aws"

// Runner runs one Terraform in one folder.
type Runner struct {
	t       testing.TB
	command string
	mirror  string // folder of providers; empty: the registry
	dir     string
	env     []string
}

// New returns a runner in dir. It skips the test on a machine that has no
// Terraform, or no way to the AWS provider. The environment holds nothing of the
// person's own AWS and Terraform settings, but vars.
func New(t testing.TB, dir string, vars ...string) *Runner {
	t.Helper()
	toolchaintest.SkipShort(t)
	command, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not on PATH: what needs it is not tested here")
	}
	r := &Runner{t: t, command: command, mirror: mirror(), dir: dir}
	if r.mirror == "" && !reachable() {
		t.Skip("neither a mirror with the AWS provider nor its registry is there: what needs it is not tested here")
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

// Init gets the modules and the provider.
func (r *Runner) Init() {
	r.t.Helper()
	r.Must("init", "-backend=false", "-input=false")
}

// Env is the environment of the runs, for a shell that types the commands itself.
func (r *Runner) Env() []string { return slices.Clone(r.env) }

// Must runs a command and returns what it printed; the test ends where it fails.
func (r *Runner) Must(args ...string) string {
	r.t.Helper()
	out, err := r.Run(args...)
	if err != nil {
		r.t.Fatalf("terraform %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// Run runs a command and returns what it printed on both of its outputs.
func (r *Runner) Run(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(r.t.Context(), r.command, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = r.dir, r.env, &out, &out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	err := cmd.Run()
	return out.String(), err
}

// Copy copies the checkout's terraform/ into a folder of the test, and over it
// each given folder. It returns the copy.
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

// copyTree copies regular files over what is there, without what Terraform left.
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

// mirror looks for the provider in the folders where Terraform itself and
// packagers keep mirrors.
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

// reachable reports whether the registry of providers answers.
var reachable = sync.OnceValue(func() bool {
	conn, err := net.DialTimeout("tcp", "registry.terraform.io:443", 2*time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
})
