// Command api is the control plane of recflow: it starts and stops backfills,
// promotes versions, accepts events and returns recommendations. Its contract is
// openapi.json in this directory.
//
// It reads its settings from the environment (internal/config) and does not start
// if the database is not migrated. Long-running work is done by Temporal workflows.
// From the bucket it reads only quarantined records. Each file contains one
// resource and its routes, internal/backfills the resources that start work, and
// internal/rest the code that all resources share; router.go registers them.
// `recflow-api health` is the health check of the container.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	_ "golang.org/x/crypto/x509roots/fallback" // root certificates for images that contain none

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/health"
	"github.com/recflow/recflow/internal/telemetry"
)

func main() {
	log := telemetry.NewLogger(os.Stderr, slog.LevelInfo)
	slog.SetDefault(log) // for libraries; our own code receives the logger as an argument
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal terminates the process
	failure, err := command(ctx, log, os.Args[1:])
	if err != nil {
		log.Error(failure, "error", err)
		os.Exit(1)
	}
}

// command runs the command in args. failure is the log message for err.
func command(ctx context.Context, log *slog.Logger, args []string) (failure string, err error) {
	switch {
	case len(args) == 0:
		config.LimitMemory()
		c, err := config.ReadAPI()
		if err == nil {
			err = run(ctx, log, c)
		}
		return "api stopped", err
	case len(args) == 1 && args[0] == "openapi":
		fmt.Print(string(document()))
		return "", nil
	case len(args) == 1 && args[0] == "health":
		// /healthz, not /readyz: an unavailable dependency must not restart this
		// process.
		address, err := config.ReadHealthAddress()
		if err == nil {
			err = health.Ask(ctx, address.API)
		}
		return "not healthy", err
	}
	return "invalid arguments", errors.New("expected no argument, health or openapi")
}
