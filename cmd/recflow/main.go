// Command recflow runs the local stack and talks to a running system: import
// events, train, look at versions, ask for recommendations.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	_ "golang.org/x/crypto/x509roots/fallback" // an image without a file of its own still trusts the public roots

	"github.com/recflow/recflow/internal/cli"
	"github.com/recflow/recflow/internal/cli/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Run(ctx, os.Args[1:], app.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
