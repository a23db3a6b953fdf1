// Command lambda is the function that reads the stream: it takes batches of
// events and turns them into recommendations. A batch goes through four steps:
// decode (decode.go), store (store.go, reader.go), compute (compute.go,
// evaluate.go) and write (write.go, verdicts.go). handler.go calls them in this
// order.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/telemetry"
)

// openWithin limits the wait for the database before the first batch. If the
// database is unavailable for longer, the function starts anyway and its
// batches fail and are retried.
const openWithin = 3 * time.Second

// statementTimeout ends the statements of an environment that is frozen. Batches
// have their own deadlines; loading the items of a version takes the longest.
const statementTimeout = 5 * time.Minute

func main() {
	level := new(slog.LevelVar)
	log := telemetry.NewLogger(os.Stderr, level)
	slog.SetDefault(log) // for libraries; our own code uses the injected logger
	config.LimitMemory()
	h, err := newHandler(context.Background(), log, level)
	if err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1) // no batch has been received, so no record is lost
	}
	lambda.Start(h.Handle)
}

func newHandler(ctx context.Context, log *slog.Logger, level *slog.LevelVar) (*Handler, error) {
	c, err := config.ReadLambda()
	if err != nil {
		return nil, err
	}
	level.Set(c.LogLevel)
	aws, err := awsclient.Load(ctx, awsclient.Options{Log: log})
	if err != nil {
		return nil, err
	}
	h := &Handler{
		Open: func(ctx context.Context) (*stores, error) {
			db, err := postgres.Open(ctx, postgres.Options{
				URL: c.Database.URL, Secret: c.Database.SignIn(aws.DatabaseToken), MaxConns: c.Database.MaxConns, Name: "recflow-lambda", Log: log,
				StatementTimeout: statementTimeout,
			})
			if err != nil {
				return nil, err
			}
			return &stores{versions: versions.New(db), embeddings: embeddings.New(db), events: events.New(db)}, nil
		},
		Firehose: awsclient.NewFirehose(aws),
		Payloads: awsclient.NewS3(aws, c.Storage.Bucket),
		Deliveries: Deliveries{
			Recommendations: c.Delivery.Recommendations, Events: c.Delivery.Events, Quarantine: c.Delivery.Quarantine,
		},
		ListLength:    c.ListLength,
		EvaluateShare: c.EvaluateShare,
		Search:        c.Search,
		Function:      c.Function,
		Log:           log,
		Metrics:       os.Stdout,
		Now:           time.Now,
	}
	first, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	if err := h.open(first); err != nil {
		log.Warn("database unavailable at startup, retrying on first batch", "error", err)
	} else {
		h.reportReader(first)
		h.warmUp(ctx)
	}
	return h, nil
}
