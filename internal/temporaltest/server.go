// Package temporaltest runs a real Temporal server for tests. Each test binary
// shares one; every test gets its own namespace.
package temporaltest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/localport"
	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
	"github.com/recflow/recflow/workflows"
)

// Server is a real Temporal server on SQLite, without its UI.
type Server struct {
	Address    string // host:port
	args       []string
	log        string
	guard      *exec.Cmd
	lifeline   io.Closer
	namespaces atomic.Int64
}

// testNamespaces are created when the server starts: a namespace registered later
// takes seconds to become visible in all services.
const testNamespaces = 60

// Shared returns the server of this test binary. Every test gets its own namespace
// there, because the sweep has one schedule per namespace.
func Shared(t testing.TB) *Server {
	t.Helper()
	toolchaintest.SkipShort(t)
	server, err := shared()
	require.NoError(t, err)
	return server
}

var shared = sync.OnceValues(func() (*Server, error) {
	dir, err := Scratch()
	if err != nil {
		return nil, err
	}
	// As `recflow up` starts it: with the search attributes.
	var flags []string
	for _, key := range workflows.SearchAttributes() {
		flags = append(flags, "--search-attribute", key.GetName()+"="+key.GetValueType().String())
	}
	return New(dir, flags...)
})

// Scratch returns a directory that is removed when this test binary exits.
var Scratch = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "recflow-test-") })

// New starts a server whose database is in dir.
func New(dir string, flags ...string) (*Server, error) {
	tools, err := toolchaintest.Installed()
	if err != nil {
		return nil, err
	}
	s := &Server{log: filepath.Join(dir, "log")}
	s.args = []string{tools.Temporal, "server", "start-dev", "--headless", "--ip", "127.0.0.1",
		"--db-filename", filepath.Join(dir, "db"), "--log-level", "error", "--disable-config-file", "--disable-config-env"}
	s.args = append(s.args, flags...)
	// No flag sets the ports of the internal services. The CLI gets them from the
	// kernel and prevents a connection in TIME_WAIT from reusing them.
	for _, flag := range []string{"--metrics-port", "--http-port", "--port"} {
		port, err := localport.Reserve()
		if err != nil {
			return nil, err
		}
		s.Address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) // of the frontend, where clients connect
		s.args = append(s.args, flag, strconv.Itoa(port))
	}
	for i := range testNamespaces {
		s.args = append(s.args, "--namespace", namespaceName(i))
	}
	return s, s.Start()
}

func namespaceName(i int) string { return fmt.Sprintf("test-%d", i) }

// Start starts the server under a shell that stops it when this process exits and
// then removes the directory of the shared server. The log is in that directory.
func (s *Server) Start() error {
	const guard = `log=$1 gone=$2; shift 2; "$@" >>"$log" 2>&1 </dev/null & pid=$!; cat >/dev/null; kill $pid; wait $pid; [ -z "$gone" ] || rm -rf "$gone"`
	gone, err := Scratch()
	if err != nil {
		return err
	}
	if filepath.Dir(s.log) != gone {
		gone = "" // a test's own directory, which the test removes
	}
	s.guard = exec.Command("/bin/sh", append([]string{"-c", guard, "temporal-guard", s.log, gone}, s.args...)...)
	s.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := s.guard.StdinPipe()
	if err != nil {
		return err
	}
	s.lifeline = pipe
	if err := s.guard.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err = harnesstest.Poll(ctx, 50*time.Millisecond, func() bool {
		c, err := client.DialContext(ctx, client.Options{HostPort: s.Address, Namespace: namespaceName(testNamespaces - 1), Logger: Quiet})
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	if err == nil {
		return nil
	}
	output, _ := os.ReadFile(s.log)
	return fmt.Errorf("temporal does not respond:\n%s", output)
}

// Stop stops the server and waits for it. The database remains.
func (s *Server) Stop(t *testing.T) {
	t.Helper()
	require.NoError(t, s.lifeline.Close())
	_ = s.guard.Wait() // its status is that of a killed process
}

// Namespace returns a namespace that no other test uses.
func (s *Server) Namespace(t *testing.T) string {
	t.Helper()
	n := s.namespaces.Add(1) - 1
	require.Less(t, n, int64(testNamespaces), "more tests than namespaces: raise testNamespaces")
	return namespaceName(int(n))
}

// Quiet discards a client's log messages: the test gets its errors.
var Quiet = sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))
