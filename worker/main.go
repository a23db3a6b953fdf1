// Command worker runs the workflows and their activities until it is stopped.
//
// It reads its settings from the environment (internal/config), and refuses to
// start on a database that is not migrated. It logs "worker ready" once it
// accepts work. On SIGTERM or Ctrl-C it takes no new work, lets short steps
// finish, and hands long ones over to the next worker; a second signal ends it
// at once. `recflow-worker health` checks a running worker; it is the health
// check of the container (health.go). Killing a worker is safe: another one
// takes over its steps after their heartbeat timeout.
//
// The tests of this folder run the worker's own code as a child process against
// real Postgres, Temporal, S3 and the local Glue endpoint, and inject faults:
// harness_test.go starts the services, faults_test.go has the faults, and `go
// test ./worker -soak` is the long form.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	_ "golang.org/x/crypto/x509roots/fallback" // trusts the public roots in an image without a certificate file

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/health"
	"github.com/recflow/recflow/internal/telemetry"
)

func main() {
	log := telemetry.NewLogger(os.Stderr, slog.LevelInfo)
	slog.SetDefault(log) // for libraries; our own code uses the injected logger
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process
	failure, err := command(ctx, log, os.Args[1:])
	if err != nil {
		log.Error(failure, "error", err)
		os.Exit(1)
	}
}

// command runs the command in the arguments. On an error it also returns a
// message that names what failed.
func command(ctx context.Context, log *slog.Logger, args []string) (failure string, err error) {
	switch {
	case len(args) == 0:
		config.LimitMemory()
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
	return "invalid arguments", errors.New("expected no argument, or health")
}
