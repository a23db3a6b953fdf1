// Package pgserver runs a local Postgres server, for the local stack and for tests.
// It does not use recflow's tables; SQL statements belong in internal/postgres.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// User is the name of the superuser that Init creates.
const User = "recflow"

// The ways to stop a server.
const (
	Smart     = "smart"     // waits for clients to disconnect
	Fast      = "fast"      // disconnects the clients, then writes everything out
	Immediate = "immediate" // like a crash: the next start recovers from the WAL
)

// Server is one Postgres server with its own data directory. It listens on the
// loopback address only and requires a password.
type Server struct {
	Bin      string // directory of initdb, pg_ctl and postgres
	Data     string // data directory; Init creates it, with mode 0700
	Port     int    // TCP port on 127.0.0.1
	Password string // of User, set by Init
	LogPath  string // file to which the server's log is appended

	// Unsafe turns off protection against crashes of the machine; a crash of the
	// server loses no data. For tests only.
	Unsafe bool
}

// Init creates the data directory unless it exists. It returns an error if the
// directory belongs to another major version of Postgres than Bin.
func (s *Server) Init(ctx context.Context) error {
	if data, err := os.ReadFile(filepath.Join(s.Data, versionFile)); err == nil {
		return s.checkVersion(ctx, strings.TrimSpace(string(data)))
	}
	if s.Password == "" {
		return errors.New("initialize postgres: a password is required")
	}
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return fmt.Errorf("initialize postgres: %w", err)
	}
	if err := own(s.Data); err != nil {
		return fmt.Errorf("initialize postgres: %w", err)
	}
	args := []string{
		"--pgdata=" + s.Data, "--username=" + User, "--auth=scram-sha-256", "--pwfile=/dev/stdin",
		"--encoding=UTF8", "--locale=C",
	}
	if s.Unsafe {
		args = append(args, "--no-sync")
	}
	cmd := s.command(ctx, "initdb", args...)
	cmd.Stdin = strings.NewReader(s.Password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("initialize postgres: %w: %s", err, strings.TrimSpace(string(out))), os.RemoveAll(s.Data))
	}
	conf, err := os.OpenFile(filepath.Join(s.Data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("configure postgres: %w", err)
	}
	_, err = conf.WriteString(s.settings())
	if err := errors.Join(err, conf.Close()); err != nil {
		return fmt.Errorf("configure postgres: %w", err)
	}
	return nil
}

// Start starts the server and waits until it accepts connections. It does nothing
// if the server is running.
func (s *Server) Start(ctx context.Context) error {
	if s.Running(ctx) {
		return nil
	}
	if l, err := net.Listen("tcp", s.address()); err != nil {
		return fmt.Errorf("start postgres: port %d is taken: %w", s.Port, err)
	} else {
		l.Close()
	}
	log, err := os.OpenFile(s.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	defer log.Close()
	cmd := s.command(ctx, "pg_ctl", "start", "--silent", "--wait", "--timeout=60", "--pgdata="+s.Data, "--options=-p "+strconv.Itoa(s.Port))
	// The server inherits these: its log goes to the file, and the caller does not
	// wait for a pipe that the server keeps open.
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("start postgres: %w; see %s", err, s.LogPath)
	}
	return nil
}

// Stop stops the server in the given mode and waits until it has exited. Stopping a
// server that is not running is not an error.
func (s *Server) Stop(ctx context.Context, mode string) error {
	if !s.Running(ctx) {
		return nil
	}
	cmd := s.command(ctx, "pg_ctl", "stop", "--silent", "--wait", "--timeout=60", "--mode="+mode, "--pgdata="+s.Data)
	if out, err := cmd.CombinedOutput(); err != nil && s.Running(ctx) {
		return fmt.Errorf("stop postgres: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Running reports whether the server of this data directory is running.
func (s *Server) Running(context.Context) bool {
	pid := s.PID()
	return pid > 0 && syscall.Kill(pid, 0) == nil
}

// PID returns the process ID of the running server, or 0.
func (s *Server) PID() int {
	data, err := os.ReadFile(filepath.Join(s.Data, "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(data), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return 0
	}
	return pid
}

// URL returns the address of a database on the server, including the password.
func (s *Server) URL(database string) string { return s.URLAs(User, s.Password, database) }

// URLAs is URL for another user.
func (s *Server) URLAs(user, password, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(user, password),
		Host:     s.address(),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

func (s *Server) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// command prepares one of Postgres's programs, as a user that it accepts.
func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.Bin, name), args...)
	cmd.Dir = filepath.Dir(s.Data)
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = unprivileged()
	return cmd
}
