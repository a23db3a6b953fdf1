// Package filelock keeps two processes of one machine from doing the same work
// at once. A lock ends with the process that holds it, however that ends.
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

// Lock is a held lock.
type Lock struct{ f *os.File }

// Acquire takes the lock kept in the file at path, which it makes when needed.
// While another process has it, waiting is called from time to time with that
// process's id (0: unknown).
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

// File is the open lock file. A child that inherits it (exec.Cmd.ExtraFiles)
// keeps the lock for as long as it lives, even when its parent is killed.
func (l *Lock) File() *os.File { return l.f }

// Release gives the lock up.
func (l *Lock) Release() error {
	// The pid is for people who wait; without a holder there is none.
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
