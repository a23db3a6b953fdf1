// Command worker is the batch side of recflow: it runs the workflows and their
// activities until it is told to stop.
//
// It reads its settings from the environment (internal/config), and refuses to
// start on a database that is not migrated. It writes "worker ready" to its log
// once it serves. On SIGTERM or Ctrl-C it takes no new work, lets short steps
// finish, and hands long ones over to the next worker; a second signal ends it
// at once. `recflow-worker health` asks a running worker whether it is well, as
// the health check of its container (health.go). Killing it is safe too: its steps are taken over when their
// heartbeats stay away.
//
// The tests of this folder run the worker's own code as a child process against
// real Postgres, Temporal, S3 and the local Glue endpoint, and break them:
// harness_test.go is the stage, faults_test.go the accidents, and
// `go test ./worker -soak` the long form.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	_ "golang.org/x/crypto/x509roots/fallback" // an image without a file of its own still trusts the public roots

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/health"
	"github.com/recflow/recflow/internal/telemetry"
)

func main() {
	log := telemetry.NewLogger(os.Stderr, slog.LevelInfo)
	slog.SetDefault(log) // for libraries; our own code is given the logger
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from then on a signal has its usual effect
	failure, err := command(ctx, log, os.Args[1:])
	if err != nil {
		log.Error(failure, "error", err)
		os.Exit(1)
	}
}

// command does what the arguments say, and names what went wrong if it did.
func command(ctx context.Context, log *slog.Logger, args []string) (failure string, err error) {
	switch {
	case len(args) == 0:
		c, err := config.ReadWorker()
		if err == nil {
			err = run(ctx, log, c)
		}
		return "worker stopped", err
	case len(args) == 1 && args[0] == "health":
		address, err := config.ReadHealthAddress()
		if err != nil {
			return "not healthy", err
		}
		worker, err := address.ForWorker()
		if err == nil {
			err = health.Ask(ctx, worker)
		}
		return "not healthy", err
	}
	return "wrong usage", errors.New("give no argument, or health")
}
