package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/config/temporalconfig"
	"github.com/recflow/recflow/internal/importer/s3store"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/quarantine"
)

// Limits of a request. The longest answer is a long poll of 60 seconds.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 15 * time.Second
	answerTimeout  = 90 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10 // bytes
)

// Limits of the database, in addition to the deadlines of operations.
const (
	statementTimeout = 5 * time.Minute // ends the statements of a process that is frozen; loading the items takes the longest
	acquireTimeout   = 2 * time.Second // wait for a connection of the pool
)

// run serves until ctx ends, then drains. Everything it opened is closed when it
// returns.
func run(ctx context.Context, log *slog.Logger, c config.API) error {
	var aws awsclient.Config // loaded only if an AWS service is used
	if c.Stream.Name != "" || c.Storage.Bucket != "" || c.Database.Auth == config.DatabaseIAM {
		var err error
		if aws, err = awsclient.Load(ctx, awsclient.Options{Log: log}); err != nil {
			return err
		}
	}
	db, err := postgres.Open(ctx, databaseOptions(c.Database, c.Database.SignIn(aws.DatabaseToken), log))
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.CheckSchema(ctx); err != nil {
		return err
	}
	options, err := temporalconfig.Options(c.Temporal, sdklog.NewStructuredLogger(log))
	if err != nil {
		return err
	}
	// Lazy: recommendations are answered while Temporal is unavailable.
	temporal, err := client.NewLazyClient(options)
	if err != nil {
		return fmt.Errorf("prepare for Temporal at %s: %w", c.Temporal.Address, err)
	}
	defer temporal.Close()
	s := newServer(c, log, db, temporal)
	if c.Stream.Name != "" {
		s.stream = awsclient.NewKinesis(aws, c.Stream.Name)
	}
	if c.Storage.Bucket != "" {
		bucket := awsclient.NewS3(aws, c.Storage.Bucket)
		s.quarantine, s.imports = &quarantine.Reader{Bucket: bucket}, s3store.New(bucket)
	}
	background, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	group.Go(func() { s.follower().Run(background, liveFor) })
	return serve(ctx, s)
}

// databaseOptions returns the options of the pool.
func databaseOptions(c config.Database, secret config.Secret, log *slog.Logger) postgres.Options {
	return postgres.Options{
		URL: c.URL, Secret: secret, MaxConns: c.MaxConns, Name: "recflow-api", Log: log,
		StatementTimeout: statementTimeout, AcquireTimeout: acquireTimeout,
	}
}

// serve serves requests until ctx ends, then drains.
func serve(ctx context.Context, s *server) error {
	listener, err := net.Listen("tcp", s.config.Address)
	if err != nil {
		return fmt.Errorf("listen for requests (RECFLOW_API_ADDRESS): %w", err)
	}
	defer listener.Close()
	metrics, err := net.Listen("tcp", s.config.MetricsAddress)
	if err != nil {
		return fmt.Errorf("listen for Prometheus (RECFLOW_API_METRICS_ADDRESS): %w", err)
	}
	defer metrics.Close()
	return serveOn(ctx, s, listener, metrics)
}

// serveOn serves on two listeners until ctx ends or one of them fails, and then
// drains. Both listeners are required, and only a restart of the process reopens
// one.
func serveOn(ctx context.Context, s *server, listener, metrics net.Listener) error {
	requests := httpServer(s.api.Handler(), s.log)
	scrapes := httpServer(s.api.Metrics(), s.log)
	group, serving := errgroup.WithContext(ctx)
	group.Go(func() error { return ended("serve requests", requests.Serve(listener)) })
	group.Go(func() error { return ended("serve metrics", scrapes.Serve(metrics)) })
	s.log.Info("api ready", "address", listener.Addr().String(), "metrics", metrics.Addr().String(), "auth", s.config.Auth, "build_id", s.buildID())
	<-serving.Done()
	s.log.Info("api draining", "drain_timeout", s.config.DrainTimeout.String())
	close(s.stopping) // ends long polls
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.DrainTimeout)
	defer cancel()
	if err := requests.Shutdown(drain); err != nil {
		requests.Close()
		s.log.Warn("drain timeout exceeded, closing open requests", "error", err)
	}
	scrapes.Close()
	err := group.Wait()
	s.log.Info("api drained")
	return err
}

func httpServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// ended returns why a server ended, or nil if it was stopped.
func ended(what string, err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
