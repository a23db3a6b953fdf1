// Package vectorstoretest gives tests a real Postgres. One server serves a test
// binary; every test gets a database of its own.
package vectorstoretest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/local/localport"
	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
	"github.com/recflow/recflow/internal/vectorstore"
)

const password = "for-tests-only"

// New is a store on a migrated database of its own.
func New(t testing.TB) *vectorstore.Store {
	t.Helper()
	return Open(t, URL(t))
}

// Open opens the database at url for the length of the test.
func Open(t testing.TB, url string) *vectorstore.Store {
	t.Helper()
	return OpenTuned(t, url, vectorstore.Tuning{})
}

// OpenTuned is Open with steps of other sizes than the store's own.
func OpenTuned(t testing.TB, url string, tuning vectorstore.Tuning) *vectorstore.Store {
	t.Helper()
	s, err := vectorstore.Open(t.Context(), vectorstore.Options{URL: url, MaxConns: 8, Name: "test", Tuning: tuning})
	if err != nil {
		t.Fatal(err)
	}
	addresses.Store(s, url)
	t.Cleanup(func() { addresses.Delete(s); s.Close() })
	return s
}

var (
	databases atomic.Int64             // made so far
	used      = make(chan string, 100) // left by tests that are over; to be emptied before the next use
)

// URL is the address of a migrated database of its own.
func URL(t testing.TB) string {
	t.Helper()
	server := sharedServer(t)
	var name string
	select {
	case name = <-used: // a new one would cost four times as much
		if err := empty(server.URL(name)); err != nil {
			t.Fatalf("empty a database: %v", err)
		}
	default:
		name = create(t, server)
	}
	t.Cleanup(func() { used <- name })
	if err := vectorstore.Migrate(t.Context(), server.URL(name)); err != nil {
		t.Fatal(err)
	}
	return server.URL(name)
}

// EmptyURL is the address of a database of its own that is not migrated.
func EmptyURL(t testing.TB) string {
	t.Helper()
	server := sharedServer(t)
	return server.URL(create(t, server))
}

func sharedServer(t testing.TB) *pgserver.Server {
	t.Helper()
	toolchaintest.SkipShort(t)
	server, err := shared()
	if err != nil {
		t.Fatalf("start postgres for the tests: %v", err)
	}
	return server
}

func create(t testing.TB, server *pgserver.Server) (name string) {
	t.Helper()
	name = fmt.Sprintf("test_%d", databases.Add(1))
	// Through the log, the default, it takes three times as long.
	if err := execute(server.URL("postgres"), "CREATE DATABASE "+name+" STRATEGY FILE_COPY"); err != nil {
		t.Fatal(err)
	}
	return name
}

// empty ends what a test has left running and drops what recflow has made.
func empty(url string) error {
	return execute(url, `
		DO $$
		DECLARE
			made name;
		BEGIN
			PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
			FOR made IN SELECT nspname FROM pg_namespace WHERE nspname ~ '^(recflow|v[0-9]+)$' LOOP
				EXECUTE format('DROP SCHEMA %I CASCADE', made);
			END LOOP;
		END $$`)
}

// Server is a private, running server for tests that break it. Its database
// "postgres" is not migrated.
func Server(t testing.TB) *pgserver.Server {
	t.Helper()
	toolchaintest.SkipShort(t)
	dir := t.TempDir()
	s, err := start(dir)
	if err != nil {
		t.Fatalf("start postgres for the test: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background(), pgserver.Immediate); err != nil {
			t.Error(err)
		}
	})
	return s
}

func execute(url, statement string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// shared is the server of this test binary.
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
	bin, err := toolchaintest.PostgresBin()
	if err != nil {
		return nil, err
	}
	port, err := localport.Reserve()
	if err != nil {
		return nil, err
	}
	s := &pgserver.Server{
		Bin: bin, Data: filepath.Join(dir, "data"), LogPath: filepath.Join(dir, "log"),
		Port: port, Password: password, Unsafe: true,
	}
	ctx := context.Background()
	if err := s.Init(ctx); err != nil {
		return nil, err
	}
	return s, s.Start(ctx)
}

// stopAfterThisProcess leaves a watcher behind that stops the server and removes
// its folder as soon as this process is gone, however it went: a test binary
// has no hook for its end that also works when it panics or is killed.
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

// alive is the end of the watcher's pipe that closes with this process: kept
// here, it is not collected before.
var alive *os.File //nolint:unused // see above
