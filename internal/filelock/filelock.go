// Package filelock prevents two processes on one machine from doing the same work
// concurrently. The lock is released when its process exits for any reason.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const pollEvery = 100 * time.Millisecond

// Lock is an acquired lock.
type Lock struct{ f *os.File }

// Acquire acquires the lock in the file at path, creating the file if needed. While
// another process has the lock, waiting is called periodically with that process's
// ID (0: unknown).
func Acquire(ctx context.Context, path string, waiting func(pid int)) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if waiting != nil {
			waiting(holder(f))
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(pollEvery):
		}
	}
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("write the lock: %w", err)
		}
	}
	return &Lock{f}, nil
}

// File returns the open lock file. A child that inherits it (exec.Cmd.ExtraFiles)
// keeps the lock until it exits, even if its parent is killed.
func (l *Lock) File() *os.File { return l.f }

// Release releases the lock.
func (l *Lock) Release() error {
	// The PID is shown to waiting users; without a holder there is none.
	_ = l.f.Truncate(0)
	return l.f.Close()
}

func holder(f *os.File) int {
	data := make([]byte, 20)
	n, err := f.ReadAt(data, 0)
	if err != nil && err != io.EOF {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(data[:n])))
	return pid
}
