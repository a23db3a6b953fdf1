package firehose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/recflow/recflow/internal/local/aws/awsjson"
)

// flushTimeout limits the deliveries during a shutdown. Remaining records stay in
// the state directory.
const flushTimeout = 15 * time.Second

// Server is the endpoint.
type Server struct {
	options Options
	lock    *os.File
	queues  map[string]*queue

	stopWriting, stopDelivering context.CancelFunc
	writing                     context.Context // done once no more records are accepted
	writers, deliverers         sync.WaitGroup
}

// New opens the state directory and starts to deliver the records left by an
// earlier endpoint. Call Close even if Run is never called. It returns an error if
// another endpoint uses the directory.
func New(o Options) (*Server, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.StateDir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(o.StateDir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("use the state directory of the local Firehose: %w", err)
	}
	s := &Server{options: o, lock: lock, queues: map[string]*queue{}}
	var delivering context.Context
	s.writing, s.stopWriting = context.WithCancel(context.Background())
	delivering, s.stopDelivering = context.WithCancel(context.Background())
	left := map[string][]*segment{}
	for _, stream := range o.Streams {
		if s.queues[stream.Name], left[stream.Name], err = openQueue(o, stream); err != nil {
			unlock(lock) //nolint:errcheck // of a start that failed anyway
			return nil, fmt.Errorf("open delivery stream %s: %w", stream.Name, err)
		}
	}
	for name, q := range s.queues {
		s.start(delivering, q, left[name])
	}
	return s, nil
}

// start runs the writer and the deliverer of a queue.
func (s *Server) start(delivering context.Context, q *queue, left []*segment) {
	sealed := &line{waiting: left, more: make(chan struct{}, 1)}
	sealed.signal()
	s.writers.Add(1)
	go func() {
		defer s.writers.Done()
		defer sealed.close()
		q.write(s.writing, sealed.add)
	}()
	s.deliverers.Add(1)
	go func() {
		defer s.deliverers.Done()
		for {
			seg, ok := sealed.next()
			if !ok || q.deliver(delivering, seg) != nil {
				return
			}
		}
	}()
}

// Run serves on the address of the options until ctx is done, then closes the
// server. ready is called with the address once connections are accepted.
func (s *Server) Run(ctx context.Context, ready func(addr string)) error {
	err := awsjson.Serve(ctx, s.options.Addr, s.Handler(), ready, nil)
	return errors.Join(err, s.Close())
}

// Close stops accepting records, delivers the buffered ones for at most a few
// seconds, and releases the state directory.
func (s *Server) Close() error {
	s.stopWriting()
	s.writers.Wait()
	delivered := make(chan struct{})
	go func() {
		s.deliverers.Wait()
		close(delivered)
	}()
	select {
	case <-delivered:
	case <-time.After(flushTimeout):
		s.options.Log.Warn("records not delivered before the timeout, delivering them at the next start")
	}
	s.stopDelivering()
	<-delivered
	return unlock(s.lock)
}

// unlock releases a lock; it may be called repeatedly. Closing the file alone is
// not enough: a child that this process is forking has a copy of it until it calls
// exec.
func unlock(lock *os.File) error {
	syscall.Flock(int(lock.Fd()), syscall.LOCK_UN) //nolint:errcheck // closed already
	if err := lock.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// line is the queue of segments to deliver.
type line struct {
	mu      sync.Mutex
	waiting []*segment
	closed  bool
	more    chan struct{}
}

func (l *line) signal() {
	select {
	case l.more <- struct{}{}:
	default:
	}
}

func (l *line) add(s *segment) {
	l.mu.Lock()
	l.waiting = append(l.waiting, s)
	l.mu.Unlock()
	l.signal()
}

func (l *line) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.signal()
}

// next waits for a segment; it returns false when no more will follow.
func (l *line) next() (*segment, bool) {
	for {
		l.mu.Lock()
		if len(l.waiting) > 0 {
			s := l.waiting[0]
			l.waiting = l.waiting[1:]
			l.mu.Unlock()
			return s, true
		}
		closed := l.closed
		l.mu.Unlock()
		if closed {
			return nil, false
		}
		<-l.more
	}
}
