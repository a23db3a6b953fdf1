// Command recflow-admin is the program of the admin image, which runs inside the
// VPC where the database is: it migrates the database and admits the first token.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	_ "golang.org/x/crypto/x509roots/fallback" // the image has no file of authorities of its own

	"github.com/recflow/recflow/internal/cli/admincli"
	"github.com/recflow/recflow/internal/cli/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(admincli.Run(ctx, os.Args[1:], app.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
