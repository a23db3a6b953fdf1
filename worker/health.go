package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/recflow/recflow/internal/health"
)

// pulse is what /healthz tells. It answers the one question whose answer may
// restart this process: would that help?
//
// It would help a worker whose poller has stopped for good, which gets 503. It
// would not bring back a database or a Temporal that is away: they are not looked
// at, or an outage of theirs would also end, one container after the other, the
// steps that would have outlived it. And a worker that drains is well: whoever
// told it to stop is waiting for it, nothing is routed to it that could go
// elsewhere, and 503 would only invite ECS to cut short the steps under way.
type pulse struct {
	server *http.Server
	state  atomic.Value // of condition
	failed chan error   // gets why nothing answers any longer
}

// condition is what the worker does.
type condition string

const (
	starting condition = "starting" // 503: the start period of the health check covers it
	polling  condition = "polling"
	stopped  condition = "stopped" // 503: the poller ended by itself, and the process is about to
)

// listen answers health checks on address from now on, or nowhere when it is
// empty.
func listen(address string) (*pulse, error) {
	p := &pulse{failed: make(chan error, 1)}
	p.set(starting)
	if address == "" {
		return p, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for health checks (RECFLOW_WORKER_HEALTH_ADDRESS): %w", err)
	}
	p.serve(listener)
	return p, nil
}

// serve answers on listener until Close.
func (p *pulse) serve(listener net.Listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+health.Path, p.answer)
	p.server = &http.Server{Addr: listener.Addr().String(), Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() {
		if err := p.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			p.failed <- fmt.Errorf("answer health checks: %w", err)
		}
	}()
}

func (p *pulse) set(c condition) { p.state.Store(c) }

func (p *pulse) answer(w http.ResponseWriter, _ *http.Request) {
	state := p.state.Load().(condition)
	w.Header().Set("Content-Type", "application/json")
	if state != polling {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprintf(w, "{\"status\":%q}\n", state)
}

// Close ends the answers.
func (p *pulse) Close() {
	if p.server != nil {
		p.server.Close()
	}
}
