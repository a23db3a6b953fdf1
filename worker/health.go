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

// pulse answers /healthz. Its answer decides whether this process is restarted,
// so it is 503 only if a restart would help.
//
// A restart helps if the worker's poller has stopped permanently. It does not
// help if the database or Temporal is unavailable: they are not checked,
// because during their outage ECS would restart every container and end the
// steps that could have waited. A draining worker is healthy: it gets no new
// work, and 503 would make ECS stop it before its steps have finished.
type pulse struct {
	server *http.Server
	state  atomic.Value // of condition
	failed chan error   // gets the error when the health server stops
}

// condition is the state of the worker.
type condition string

const (
	starting condition = "starting" // 503; covered by the start period of the health check
	polling  condition = "polling"
	stopped  condition = "stopped" // 503: the poller has failed, and the process is about to exit
)

// listen starts the health server on address, or does nothing if address is
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

// serve answers health checks on listener until Close.
func (p *pulse) serve(listener net.Listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+health.Path, p.answer)
	p.server = &http.Server{Addr: listener.Addr().String(), Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() {
		if err := p.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			p.failed <- fmt.Errorf("serve health checks: %w", err)
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

// Close stops the health server.
func (p *pulse) Close() {
	if p.server != nil {
		p.server.Close()
	}
}
