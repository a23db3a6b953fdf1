package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
)

// patience is the timeout for something that must happen.
const patience = 90 * time.Second

// jail is an image's root file system, in which its program runs as on AWS: as user
// 65532, unprivileged, and with write access to /tmp only.
type jail struct {
	t    *testing.T
	root string
	attr syscall.SysProcAttr
	env  []string // of the image
	path string   // of its entry point
	own  []string // every path of the image
}

// newJail unpacks an image. If this test runs as root, root owns the files and the
// program is unprivileged. Otherwise it uses a user namespace, and only /tmp is
// writable for others.
func newJail(t *testing.T, tarball string) *jail {
	t.Helper()
	img := openLayout(t, tarball)
	config, err := img.ConfigFile()
	require.NoError(t, err)
	layers, err := img.Layers()
	require.NoError(t, err)
	content, err := layers[0].Uncompressed()
	require.NoError(t, err)
	defer content.Close()

	j := &jail{t: t, root: filepath.Join(t.TempDir(), "root"), env: config.Config.Env, path: config.Config.Entrypoint[0]}
	require.NoError(t, os.Mkdir(j.root, 0o755))
	root := os.Geteuid() == 0
	modes := map[string]fs.FileMode{j.root: 0o555}
	require.NoError(t, extract(content, j.root, func(path string, h *tar.Header) error {
		modes[path] = fs.FileMode(h.Mode & 0o555)
		if h.Name == "tmp/" {
			modes[path] = 0o777 | fs.ModeSticky
		}
		if root {
			return os.Lchown(path, h.Uid, h.Gid)
		}
		return nil
	}))
	// A container has /proc. Temporal's SDK reads one link in it.
	require.NoError(t, os.MkdirAll(filepath.Join(j.root, "proc", "self"), 0o755))
	require.NoError(t, os.Symlink(j.path, filepath.Join(j.root, "proc", "self", "exe")))
	for path, mode := range modes {
		require.NoError(t, os.Chmod(path, mode))
	}
	j.own = j.paths()
	t.Cleanup(func() { // otherwise the test's directory could not be removed
		for path := range modes {
			_ = os.Chmod(path, 0o755)
		}
	})
	j.attr = syscall.SysProcAttr{Chroot: j.root, Pdeathsig: syscall.SIGKILL}
	if root {
		j.attr.Credential = &syscall.Credential{Uid: user, Gid: user}
		return j
	}
	j.attr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS
	j.attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Getuid(), Size: 1}}
	j.attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Getgid(), Size: 1}}
	if err := j.command(nil, "health").Run(); err != nil && !isExit(err) {
		t.Skipf("this kernel allows only root to change the root directory: %v", err)
	}
	return j
}

func isExit(err error) bool {
	_, ok := err.(*exec.ExitError) //nolint:errorlint // Run returns it as it is
	return ok
}

// command returns the entry point with arguments, with the image's variables and
// extra ones.
func (j *jail) command(env map[string]string, args ...string) *exec.Cmd {
	attr := j.attr
	cmd := exec.Command(j.path, args...)
	cmd.SysProcAttr, cmd.Dir = &attr, "/tmp"
	cmd.Env = append([]string{}, j.env...)
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	return cmd
}

// run waits for the entry point to exit, and returns its output.
func (j *jail) run(env map[string]string, args ...string) (out, errs string, code int) {
	j.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := j.command(env, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && !isExit(err) {
		j.t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// process is an entry point that keeps running.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	log   *harnesstest.Buffer
	ended chan struct{}
}

func (j *jail) start(env map[string]string) *process {
	j.t.Helper()
	p := &process{t: j.t, cmd: j.command(env), log: &harnesstest.Buffer{}, ended: make(chan struct{})}
	p.cmd.Stderr = p.log
	require.NoError(j.t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	j.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if j.t.Failed() {
			j.t.Logf("the log of %s:\n%s", j.path, p.log.String())
		}
	})
	return p
}

// logs waits until the process has logged a text.
func (p *process) logs(text string) {
	p.t.Helper()
	harnesstest.Eventually(p.t, fmt.Sprintf("the log line %q", text), func() bool {
		if strings.Contains(p.log.String(), text) {
			return true
		}
		select {
		case <-p.ended:
			p.t.Fatal("the process ended")
		default:
		}
		return false
	})
}

// stop stops the process as ECS does, and returns its exit code.
func (p *process) stop() int {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("it does not exit:\n%s", p.log.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// untouched checks that the program wrote to /tmp only.
func (j *jail) untouched() {
	j.t.Helper()
	require.Equal(j.t, j.own, slices.DeleteFunc(j.paths(), func(path string) bool { return strings.HasPrefix(path, "tmp/") }))
}

// paths returns the paths in the root directory, in order.
func (j *jail) paths() (all []string) {
	j.t.Helper()
	require.NoError(j.t, fs.WalkDir(os.DirFS(j.root), ".", func(path string, _ fs.DirEntry, err error) error {
		all = append(all, path)
		return err
	}))
	return all
}
