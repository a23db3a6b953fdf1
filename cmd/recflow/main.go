// Command recflow runs the local stack and is a client of a running system: import
// events, train, manage versions, get recommendations.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	_ "golang.org/x/crypto/x509roots/fallback" // so that an image without CA certificates trusts the public roots

	"github.com/recflow/recflow/internal/cli"
	"github.com/recflow/recflow/internal/cli/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Run(ctx, os.Args[1:], app.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
