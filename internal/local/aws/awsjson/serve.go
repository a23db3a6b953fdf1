package awsjson

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// shutdownTimeout limits the wait for calls in progress.
const shutdownTimeout = 5 * time.Second

// Serve serves calls on a loopback address until ctx is done, and then finishes
// those in progress. ready is called with the address once connections are
// accepted; stop is called when ctx is done, before connections are refused. Both
// may be nil.
func Serve(ctx context.Context, addr string, h http.Handler, ready func(addr string), stop func() error) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	if err := CheckLoopback(l.Addr().String()); err != nil { // no address means all interfaces
		l.Close()
		return err
	}
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		MaxHeaderBytes:    64 << 10,
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	if ready != nil {
		ready(l.Addr().String())
	}
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	var stopped error
	if stop != nil {
		stopped = stop()
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err = srv.Shutdown(bounded)
	<-served //nolint:errcheck // http.ErrServerClosed
	return errors.Join(stopped, err)
}
