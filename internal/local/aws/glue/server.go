package glue

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/recflow/recflow/internal/local/aws/awsjson"
)

const keepRuns = 500 // records kept when the endpoint starts

// Server is the endpoint: it answers calls and supervises the job's processes.
type Server struct {
	options Options
	lock    *os.File // of the state directory
	wg      sync.WaitGroup

	mu      sync.Mutex
	runs    []*run // by start time
	closing bool
}

// New opens the state directory, adopts the runs that are still active and marks
// the others. Call Close even if Run is never called. It returns an error if
// another endpoint uses the directory.
func New(o Options) (*Server, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(runsDir(o.StateDir), 0o700); err != nil {
		return nil, err
	}
	lock, err := tryLock(filepath.Join(o.StateDir, lockFile))
	if err != nil {
		return nil, fmt.Errorf("use the state directory of the local Glue endpoint: %w", err)
	}
	s := &Server{options: o, lock: lock}
	if err := s.restore(); err != nil {
		lock.Close()
		return nil, err
	}
	return s, nil
}

// Run serves on the address of the options until ctx is done, then closes the
// server. ready is called with the address once connections are accepted.
func (s *Server) Run(ctx context.Context, ready func(addr string)) error {
	unbounded := context.WithoutCancel(ctx)
	defer s.Close(unbounded)
	// Stop the runs first, so that clients see STOPPED and not a refused
	// connection.
	return awsjson.Serve(ctx, s.options.Addr, s.Handler(), ready, func() error { return s.Close(unbounded) })
}

// Close stops every run, records it as STOPPED and releases the state directory. If
// ctx ends first, jobs may still run; the next endpoint adopts them.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	first := !s.closing
	s.closing = true
	for _, r := range s.runs {
		s.beginStop(r, Stopped, "stopped because the local Glue endpoint was shut down")
	}
	s.mu.Unlock()
	idle := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-ctx.Done():
		return fmt.Errorf("wait for jobs to stop: %w", ctx.Err())
	}
	if first {
		return s.lock.Close()
	}
	return nil
}

// restore reads the records of earlier endpoints.
func (s *Server) restore() error {
	entries, err := os.ReadDir(runsDir(s.options.StateDir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		dir := filepath.Join(runsDir(s.options.StateDir), e.Name())
		rec, err := loadRecord(dir)
		if errors.Is(err, os.ErrNotExist) {
			os.RemoveAll(dir) // the crash came before the record was written, so before the response
			continue
		}
		if err != nil {
			return err
		}
		s.runs = append(s.runs, newRun(*rec, dir))
	}
	slices.SortFunc(s.runs, func(a, b *run) int { return a.Started.Compare(b.Started) })
	for len(s.runs) > keepRuns && s.runs[0].State.over() {
		if err := os.RemoveAll(s.runs[0].dir); err != nil {
			return err
		}
		s.runs = s.runs[1:]
	}
	for _, r := range s.runs {
		if err := s.takeUp(r); err != nil {
			return err
		}
	}
	return nil
}

// find returns the run with the given ID, or nil. The caller holds s.mu.
func (s *Server) find(id string) *run {
	for _, r := range slices.Backward(s.runs) {
		if r.ID == id {
			return r
		}
	}
	return nil
}

func runsDir(state string) string { return filepath.Join(state, "runs") }

// newRunID returns an ID in the form of Glue's.
func newRunID() string {
	var b [32]byte
	rand.Read(b[:])
	return "jr_" + hex.EncodeToString(b[:])
}

// now returns the time with the precision of records, so that a time read back
// equals the one written.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
