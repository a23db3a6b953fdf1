// Command api measures the latency, throughput and recall of the API's
// recommendations against an exact scan of the same version.
//
//	go run ./bench/api              the live version of the local stack, or of RECFLOW_DATABASE_URL
//	go run ./bench/api -size 1m     a generated catalog of 1,000,000 × 64 on a Postgres of its own, without an HNSW index
//	go run ./bench/api -size 60k -swaps 10   also requests during promotions
//	go run ./bench/api -profile api.pprof && go tool pprof -top api.pprof
//
// It runs its own API process, without a rate limit, built from the current code.
// Client, API and Postgres share the machine. Latencies are those of single
// requests; requests per second are of several concurrent callers.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/recflow/recflow/bench/internal/apiprocess"
	"github.com/recflow/recflow/bench/internal/generated"
	"github.com/recflow/recflow/bench/internal/setup"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

type options struct {
	size, profile                      string
	dimension, users, k, callers, each int
	swaps                              int
}

func main() {
	var o options
	flag.StringVar(&o.size, "size", "", "generate this many items, for example 50k or 1m; empty: the live version")
	flag.IntVar(&o.dimension, "dimension", 64, "values in a generated vector")
	flag.IntVar(&o.users, "users", 300, "number of users to query")
	flag.IntVar(&o.k, "k", 20, "length of a list")
	flag.IntVar(&o.callers, "callers", 8, "concurrent callers of the throughput measurement")
	flag.IntVar(&o.each, "each", 900, "requests per measurement")
	flag.IntVar(&o.swaps, "swaps", 0, "also measure requests during this many promotions; needs -size")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the API to this file, for go tool pprof")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	binary, remove, err := apiprocess.Build(ctx, o.profile != "")
	if err != nil {
		return err
	}
	defer remove()
	if o.size != "" {
		items, err := setup.Size(o.size)
		if err != nil {
			return err
		}
		shape := generated.Options{Items: items, Users: o.users, Dimension: o.dimension, NoIndex: true, Second: o.swaps > 0}
		return generated.With(ctx, shape, func(url string, db *postgres.DB, v recsys.Version) error {
			if err := promote(ctx, versions.New(db), v.ID); err != nil {
				return err
			}
			return measureAt(ctx, o, binary, url, db)
		})
	}
	url, err := setup.Live()
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, postgres.Options{URL: url, Name: "bench api"})
	if err != nil {
		return err
	}
	defer db.Close()
	return measureAt(ctx, o, binary, url, db)
}

// promote makes a generated version live, as the workflow does.
func promote(ctx context.Context, store *versions.Store, version int64) error {
	if err := store.MarkReady(ctx, version, nil); err != nil {
		return err
	}
	late, err := store.PrepareReaders(ctx, version, time.Minute)
	if err == nil && late > 0 {
		err = fmt.Errorf("%d processes have not loaded version %d", late, version)
	}
	if err != nil {
		return err
	}
	_, err = store.Promote(ctx, versions.Promotion{Version: version, Actor: "bench", Reason: "benchmark"})
	return err
}

// measureAt runs an API on the database and measures it.
func measureAt(ctx context.Context, o options, binary, url string, db *postgres.DB) error {
	store := embeddings.New(db)
	live, err := versions.New(db).Live(ctx)
	if err != nil {
		return err
	}
	users, err := store.SampleUsers(ctx, live.Version, o.users, "bench api")
	if err != nil {
		return err
	}
	if len(users) == 0 {
		return fmt.Errorf("version %d has no user with a vector", live.Version.ID)
	}
	address, stop, err := apiprocess.Start(ctx, apiprocess.Options{Binary: binary, Database: url, Profile: o.profile})
	if err != nil {
		return err
	}
	defer stop()
	v := live.Version
	fmt.Printf("version %d: %d items × %d, %d users, k %d, %d callers, %s\n\n", v.ID, v.Items, v.Dimension, len(users), o.k, o.callers, v.Search.Method)
	began := time.Now()
	m := measurement{options: o, api: apiclient.New(apiclient.Options{URL: address}), store: store, version: v, users: users}
	if err := m.run(ctx); err != nil {
		return err
	}
	if o.swaps > 0 {
		if err := m.swap(ctx, versions.New(db)); err != nil {
			return err
		}
	}
	fmt.Printf("\nmeasured in %s\n", time.Since(began).Round(time.Second))
	return nil
}
