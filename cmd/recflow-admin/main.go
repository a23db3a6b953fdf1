// Command recflow-admin runs in the admin image, inside the VPC of the database: it
// migrates the database and registers the first access token.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	_ "golang.org/x/crypto/x509roots/fallback" // the image has no CA certificates of its own

	"github.com/recflow/recflow/internal/cli/admincli"
	"github.com/recflow/recflow/internal/cli/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(admincli.Run(ctx, os.Args[1:], app.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
