// Command api is the control plane of recflow: it starts and stops backfills,
// promotes versions, takes events and answers with recommendations. Its contract is
// openapi.json in this folder.
//
// It reads its settings from the environment (internal/config) and refuses to
// start on a database that is not migrated. It asks Temporal for everything that
// takes time. Of the bucket it reads quarantined records and nothing else. One
// file holds one resource with its routes, and internal/backfills those that start
// work; router.go puts them together. What they have in common is in
// internal/rest. `recflow-api health` asks a running API whether it is well, as
// the health check of its container.
package main

import (
	"context"
	"errors"
	"fmt"
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
		c, err := config.ReadAPI()
		if err == nil {
			err = run(ctx, log, c)
		}
		return "api stopped", err
	case len(args) == 1 && args[0] == "openapi":
		fmt.Print(string(document()))
		return "", nil
	case len(args) == 1 && args[0] == "health":
		// /healthz, not /readyz: what a restart of this process cannot heal, such as
		// an unavailable database, must not restart it.
		address, err := config.ReadHealthAddress()
		if err == nil {
			err = health.Ask(ctx, address.API)
		}
		return "not healthy", err
	}
	return "wrong usage", errors.New("give no argument, or one of health and openapi")
}
