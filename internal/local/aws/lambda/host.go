package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// MaxPayload is the maximum size of a request or a response, in bytes.
const MaxPayload = 6 << 20

// initTimeout is how long an environment has until it asks for work.
const initTimeout = 10 * time.Second

// Unhandled is AWS's function error for every failure inside a function.
const Unhandled = "Unhandled"

// ErrTooLarge means that a request is larger than MaxPayload.
var ErrTooLarge = errors.New("the payload is larger than 6 MB")

// errClosed means that the host was closed.
var errClosed = errors.New("the Lambda host is closed")

// Options describes one function.
type Options struct {
	Name    string
	Command []string          // of the bootstrap
	Env     map[string]string // of the function

	Timeout         time.Duration // of an invocation; 0 means 3 s
	MaxEnvironments int           // concurrently; 0 means 1
	MemoryMB        int           // reported to the function; 0 means 512

	Log io.Writer // nil discards the function's output
}

// Host runs a function. It is safe for concurrent use.
type Host struct {
	options Options
	slots   chan struct{} // one per allowed environment
	log     *lineWriter

	mu     sync.Mutex
	idle   []*environment
	all    map[*environment]bool
	closed bool
}

// New creates a host. The first invocation starts the function. Call Close when
// done.
func New(o Options) (*Host, error) {
	if len(o.Command) == 0 || o.Name == "" {
		return nil, errors.New("a function requires a name and a command")
	}
	if o.Timeout <= 0 {
		o.Timeout = 3 * time.Second
	}
	if o.MaxEnvironments <= 0 {
		o.MaxEnvironments = 1
	}
	if o.MemoryMB <= 0 {
		o.MemoryMB = 512
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	return &Host{
		options: o, slots: make(chan struct{}, o.MaxEnvironments), log: &lineWriter{to: o.Log}, all: map[*environment]bool{},
	}, nil
}

// ARN returns the ARN of the function.
func (h *Host) ARN() string {
	return "arn:aws:lambda:us-east-1:000000000000:function:" + h.options.Name
}

// Invoke runs the function once. It waits for a free environment until ctx ends; a
// running function is killed at its timeout or when ctx ends. functionError is set
// when the function was invoked and failed; result then describes the failure. err
// means that it was not invoked, or that ctx ended.
func (h *Host) Invoke(ctx context.Context, payload []byte) (result []byte, functionError string, err error) {
	if len(payload) > MaxPayload {
		return nil, "", ErrTooLarge
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, "", fmt.Errorf("wait for an environment of %s: %w", h.options.Name, ctx.Err())
	}
	defer func() { <-h.slots }()
	inv := &invocation{id: uuid.NewString(), payload: payload, done: make(chan outcome, 1)}
	for {
		e, err := h.environment(ctx)
		if err != nil {
			return nil, "", err
		}
		if e == nil {
			continue
		}
		out, ran := e.run(ctx, inv)
		if !ran { // it died while idle: use another one
			h.discard(e)
			if ctx.Err() != nil {
				return nil, "", ctx.Err()
			}
			continue
		}
		if out.broken {
			h.discard(e)
		} else {
			h.release(e)
		}
		return out.result, out.functionError, out.err
	}
}

// environment returns a warm environment, or a new one.
func (h *Host) environment(ctx context.Context) (*environment, error) {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil, errClosed
	}
	if n := len(h.idle); n > 0 {
		e := h.idle[n-1]
		h.idle = h.idle[:n-1]
		h.mu.Unlock()
		return e, nil
	}
	h.mu.Unlock()
	e, err := start(h)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", h.options.Name, err)
	}
	h.mu.Lock()
	h.all[e] = true
	closed := h.closed
	h.mu.Unlock()
	if closed {
		h.discard(e)
		return nil, errClosed
	}
	if err := e.initialize(ctx); err != nil {
		h.discard(e)
		return nil, fmt.Errorf("initialize %s: %w", h.options.Name, err)
	}
	return e, nil
}

func (h *Host) release(e *environment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.idle = append(h.idle, e)
	select {
	case <-e.exited: // between its response and now
		go h.retire(e)
	default:
	}
}

// retire discards an environment that died while idle.
func (h *Host) retire(e *environment) {
	h.mu.Lock()
	i := slices.Index(h.idle, e)
	if i >= 0 {
		h.idle = slices.Delete(h.idle, i, i+1)
	}
	h.mu.Unlock()
	if i >= 0 {
		h.discard(e)
	}
}

// discard ends an environment and waits until its processes have exited.
func (h *Host) discard(e *environment) {
	e.close()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, e)
}

// Close kills every environment, including its invocation.
func (h *Host) Close() {
	h.mu.Lock()
	h.closed, h.idle = true, nil
	all := make([]*environment, 0, len(h.all))
	for e := range h.all {
		all = append(all, e)
	}
	h.mu.Unlock()
	for _, e := range all {
		h.discard(e)
	}
}

func (h *Host) isClosed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// Environments returns the current number of environments.
func (h *Host) Environments() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.all)
}

// failure is the result of a failed invocation, in Lambda's wording.
func failure(kind, format string, args ...any) []byte {
	text, err := json.Marshal(map[string]string{"errorType": kind, "errorMessage": fmt.Sprintf(format, args...)})
	if err != nil {
		panic(err)
	}
	return text
}
