// Command worker is the batch side of recflow: it runs the workflows and their
// activities until it is told to stop.
//
// It reads its settings from the environment (internal/config), and refuses to
// start on a database that is not migrated. It writes "worker ready" to its log
// once it serves. On SIGTERM or Ctrl-C it takes no new work, lets short steps
// finish, and hands long ones over to the next worker; a second signal ends it
// at once. Killing it is safe too: its steps are taken over when their
// heartbeats stay away.
//
// The tests of this folder run the worker's own code as a child process against
// real Postgres, Temporal, S3 and the local Glue endpoint, and break them:
// harness_test.go is the stage, faults_test.go the accidents, and
// `go test ./worker -soak` the long form.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/recflow/recflow/internal/config"
)

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from then on a signal has its usual effect
	c, err := config.ReadWorker()
	if err == nil {
		err = run(ctx, c)
	}
	if err != nil {
		slog.Error("worker stopped", "error", err)
		os.Exit(1)
	}
}
