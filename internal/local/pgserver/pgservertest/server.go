// Package pgservertest starts Postgres servers for tests and benchmarks. It does
// not use recflow's tables.
package pgservertest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/recflow/recflow/internal/local/localport"
	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
)

// New returns a server with its data and its log in dir. It is neither initialized
// nor started. It does not wait for the disk (pgserver.Server.Unsafe).
func New(dir string) (*pgserver.Server, error) {
	bin, err := toolchaintest.PostgresBin()
	if err != nil {
		return nil, err
	}
	port, err := localport.Reserve()
	if err != nil {
		return nil, err
	}
	return &pgserver.Server{
		Bin: bin, Data: filepath.Join(dir, "data"), LogPath: filepath.Join(dir, "log"),
		Port: port, Password: "for-tests-only", Unsafe: true,
	}, nil
}

// Start initializes and starts a server from New.
func Start(ctx context.Context, s *pgserver.Server) error {
	if err := s.Init(ctx); err != nil {
		return err
	}
	return s.Start(ctx)
}

// Server returns a private, running server for a test that breaks it or changes its
// settings. It stops when the test ends.
func Server(t testing.TB) *pgserver.Server {
	t.Helper()
	toolchaintest.SkipShort(t)
	s, err := start(t.TempDir())
	if err != nil {
		t.Fatalf("start Postgres for the test: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background(), pgserver.Immediate); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Shared returns the running server of this test binary. A test creates its own
// database on it. It stops when the process exits.
func Shared(t testing.TB) *pgserver.Server {
	t.Helper()
	toolchaintest.SkipShort(t)
	s, err := shared()
	if err != nil {
		t.Fatalf("start Postgres for the tests: %v", err)
	}
	return s
}

var shared = sync.OnceValues(func() (*pgserver.Server, error) {
	dir, err := os.MkdirTemp("", "recflow-test-postgres-")
	if err != nil {
		return nil, err
	}
	s, err := start(dir)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return s, stopAfterThisProcess(s, dir)
})

func start(dir string) (*pgserver.Server, error) {
	s, err := New(dir)
	if err != nil {
		return nil, err
	}
	return s, Start(context.Background(), s)
}

// stopAfterThisProcess starts a watcher that stops the server and removes its
// directory as soon as this process exits, for any reason: a test binary has no
// exit hook that also runs when it panics or is killed.
func stopAfterThisProcess(s *pgserver.Server, dir string) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	watcher := exec.Command("/bin/sh", "-c", `cat >/dev/null; kill -QUIT "$1"; while kill -0 "$1" 2>/dev/null; do sleep 0.1; done; rm -rf "$2"`,
		"watcher", strconv.Itoa(s.PID()), dir)
	watcher.Stdin = read
	watcher.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := watcher.Start(); err != nil {
		write.Close()
		return err
	}
	alive = write
	return nil
}

// alive is this process's end of the watcher's pipe, referenced here so that it is
// not garbage collected.
var alive *os.File //nolint:unused // see above
