// Command api is the control plane of recflow: it starts and stops backfills,
// flips versions, takes events and answers with recommendations. Its contract is
// openapi.json in this folder.
//
// It reads its settings from the environment (internal/config) and refuses to
// start on a database that is not migrated. It asks Temporal for everything that
// takes time, and holds no S3 or Glue client. One file holds one resource with
// its routes; router.go puts them together, access.go says who may call what.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/recflow/recflow/internal/config"
)

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	if len(os.Args) == 2 && os.Args[1] == "openapi" {
		fmt.Print(string(document()))
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from then on a signal has its usual effect
	c, err := config.ReadAPI()
	if err == nil {
		err = run(ctx, c)
	}
	if err != nil {
		slog.Error("api stopped", "error", err)
		os.Exit(1)
	}
}
