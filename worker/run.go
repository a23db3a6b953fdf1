package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/config/temporalconfig"
	"github.com/recflow/recflow/internal/gates"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/telemetry"
	"github.com/recflow/recflow/workflows"
)

// deployment is the name under which Temporal lists the workers of this binary.
const deployment = "recflow-worker"

// statementTimeout is the time of the longest step, which builds the indexes of a
// version. The steps have their own deadlines: this one ends the statements of a
// worker that is frozen.
const statementTimeout = 12 * time.Hour

// run serves until ctx ends, then drains. It closes everything it opened before
// it returns.
func run(ctx context.Context, log *slog.Logger, c config.Worker) error {
	p, err := listen(c.HealthAddress)
	if err != nil {
		return err
	}
	defer p.Close()
	aws, err := awsclient.Load(ctx, awsclient.Options{Log: log})
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, postgres.Options{
		URL: c.Database.URL, Secret: c.Database.SignIn(aws.DatabaseToken), MaxConns: c.Database.MaxConns, Name: deployment, Log: log,
		StatementTimeout: statementTimeout,
	})
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
	temporal, err := client.DialContext(ctx, options)
	if err != nil {
		return fmt.Errorf("connect to Temporal at %s: %w", c.Temporal.Address, err)
	}
	defer temporal.Close()
	if err := ensureSearchAttributes(ctx, log, temporal, c.Temporal); err != nil {
		return err
	}
	if err := workflows.EnsureSweep(ctx, temporal, c.Temporal.TaskQueue, c.SweepEvery); err != nil {
		return err
	}
	items := embeddings.New(db)
	search := recommend.NewSlot(items, c.SearchMemory<<20)
	steps := &activities.Activities{
		Versions:     versions.New(db),
		Embeddings:   items,
		Events:       events.New(db),
		Ledger:       ledger.New(db),
		S3:           awsclient.NewS3(aws, c.Storage.Bucket),
		Glue:         awsclient.NewGlue(aws, c.Glue.Job),
		Gates:        gates.New(db, search),
		Search:       search,
		Temporal:     temporal,
		StoredMargin: c.Glue.StoredMargin,
		PollEvery:    c.Glue.PollEvery,
		LoadParallel: c.LoadParallel,
		ReaderTTL:    c.ReaderCacheTTL,
		SearchMemory: c.SearchMemory << 20,

		EventRetention: c.EventRetention,
		TemporalUI:     c.Temporal.UI,
	}
	if c.Signals.OutcomesTopic != "" {
		steps.Outcomes = awsclient.NewSNS(aws, c.Signals.OutcomesTopic)
	}
	if c.Signals.Metrics == config.MetricsEMF {
		steps.Metrics = os.Stdout
		steps.Dimensions = dimensionsOf(c.Signals.Installation)
	}
	return serve(ctx, log, c, p, temporal, steps)
}

// serve runs the Temporal worker.
func serve(ctx context.Context, log *slog.Logger, c config.Worker, p *pulse, temporal client.Client, steps *activities.Activities) error {
	build := cmp.Or(c.BuildID, telemetry.BuildID())
	broken := make(chan error, 1)
	w := worker.New(temporal, c.Temporal.TaskQueue, worker.Options{
		// The build is reported and not used for routing: the replay tests find
		// changes that break a running workflow
		// (docs/decisions/0013-worker-versions.md).
		DeploymentOptions: worker.DeploymentOptions{
			Version: worker.WorkerDeploymentVersion{DeploymentName: deployment, BuildID: build},
		},
		WorkerStopTimeout: c.DrainTimeout,
		// A third of the stop timeout remains to end steps that did not finish.
		Interceptors: []interceptor.WorkerInterceptor{activities.Edge(steps, c.DrainTimeout*2/3)},
		// Steps heartbeat once a second. Sending every other heartbeat is
		// enough to receive a cancellation soon.
		MaxHeartbeatThrottleInterval:     2 * time.Second,
		DefaultHeartbeatThrottleInterval: 2 * time.Second,
		OnFatalError:                     func(err error) { p.set(stopped); broken <- err },
	})
	workflows.Register(w)
	w.RegisterActivity(steps)
	err := w.Start()
	if err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	p.set(polling)
	looking, stopLooking := context.WithCancel(ctx)
	var group sync.WaitGroup
	r := reconciler{log: log, ledger: steps.Ledger, temporal: temporal, taskQueue: c.Temporal.TaskQueue}
	group.Go(func() { r.run(looking) })
	if steps.Metrics != nil {
		group.Go(func() { measure(looking, log, steps.Versions, temporal, steps.Metrics, steps.Dimensions) })
	}
	defer func() { stopLooking(); group.Wait() }()
	log.Info("worker ready", "task_queue", c.Temporal.TaskQueue, "namespace", c.Temporal.Namespace, "build_id", build)
	select {
	case <-ctx.Done():
	case err = <-p.failed:
		// A failed listener does not recover, and failing health checks would
		// soon kill the worker. It drains and exits, and the error names the
		// cause.
	case err := <-broken:
		w.Stop()
		return fmt.Errorf("worker failed: %w", err)
	}
	log.Info("worker draining", "drain_timeout", c.DrainTimeout.String())
	w.Stop()
	log.Info("worker drained")
	return err
}
