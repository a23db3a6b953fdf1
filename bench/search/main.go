// Command search measures the recall and latency of a version's index in Postgres
// against an exact scan of the same version and the exact search in memory
// (internal/search), in the same run.
//
//	go run ./bench/search              the live version of the local stack, or of RECFLOW_DATABASE_URL
//	go run ./bench/search -size 1m     a generated catalog of 1,000,000 × 64 on a Postgres of its own
//
// Queries run sequentially, so latencies are those of an idle server.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/recflow/recflow/bench/internal/generated"
	"github.com/recflow/recflow/bench/internal/setup"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

type options struct {
	size                string
	dimension, users, k int
	m, ef               int
}

func main() {
	var o options
	flag.StringVar(&o.size, "size", "", "generate this many items, for example 50k or 1m; empty: the live version")
	flag.IntVar(&o.dimension, "dimension", 64, "dimensions of a generated vector")
	flag.IntVar(&o.users, "users", 300, "users to search for")
	flag.IntVar(&o.k, "k", 100, "length of a list")
	flag.IntVar(&o.m, "m", 0, "m of a generated index; 0 for the default of the size")
	flag.IntVar(&o.ef, "ef", 0, "ef_search of a generated index; 0 for the default of the size")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "search:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.size != "" {
		items, err := setup.Size(o.size)
		if err != nil {
			return err
		}
		shape := generated.Options{Items: items, Users: o.users, Dimension: o.dimension, M: o.m, EF: o.ef}
		return generated.With(ctx, shape, func(_ string, db *postgres.DB, v recsys.Version) error {
			return measure(ctx, o, db, v)
		})
	}
	url, err := setup.Live()
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, postgres.Options{URL: url, Name: "bench search"})
	if err != nil {
		return err
	}
	defer db.Close()
	live, err := versions.New(db).Live(ctx)
	if err != nil {
		return err
	}
	return measure(ctx, o, db, live.Version)
}
