// Command lists measures the lists that a window of a lists backfill writes in a
// second: reading the users' ids and states from Postgres, searching in memory, and
// writing Parquet files to the local disk.
//
//	go run ./bench/lists                 the live version of the local stack, or of RECFLOW_DATABASE_URL
//	go run ./bench/lists -size 63417     a generated catalog of 63,417 × 64 on a Postgres of its own
//	go run ./bench/lists -size 63417 -profile lists.pprof && go tool pprof -top lists.pprof
//
// It measures with the processor's own kernel and, in a second process, with the
// portable one. Postgres shares the machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/recflow/recflow/bench/internal/cputime"
	"github.com/recflow/recflow/bench/internal/generated"
	"github.com/recflow/recflow/bench/internal/setup"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/batchlists"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

type options struct {
	size, profile, at                     string
	dimension, users, k, windows, repeats int
	portable                              bool
}

func main() {
	var o options
	flag.StringVar(&o.size, "size", "", "generate this many items, for example 50k or 1m; empty: the live version")
	flag.IntVar(&o.dimension, "dimension", 64, "values in a generated vector")
	flag.IntVar(&o.users, "users", 40_000, "number of generated users")
	flag.IntVar(&o.k, "k", 100, "length of a list")
	flag.IntVar(&o.windows, "windows", 2, "number of windows, one after the other")
	flag.IntVar(&o.repeats, "repeats", 3, "times that all windows are written")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile to this file, for go tool pprof")
	flag.StringVar(&o.at, "at", "", "address of the database; set for the second process")
	flag.BoolVar(&o.portable, "portable", false, "label the figures: GODEBUG has turned the processor's own kernel off")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "lists:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.at != "" {
		return measureAt(ctx, o, o.at)
	}
	if o.size == "" {
		url, err := setup.Live()
		if err != nil {
			return err
		}
		return both(ctx, o, url)
	}
	items, err := setup.Size(o.size)
	if err != nil {
		return err
	}
	shape := generated.Options{Items: items, Users: o.users, Dimension: o.dimension, NoIndex: true}
	return generated.With(ctx, shape, func(url string, db *postgres.DB, v recsys.Version) error {
		store := versions.New(db)
		if err := store.MarkReady(ctx, v.ID, nil); err != nil {
			return err
		}
		if _, err := store.Promote(ctx, versions.Promotion{Version: v.ID, Actor: "bench", Reason: "benchmark"}); err != nil {
			return err
		}
		return both(ctx, o, url)
	})
}

// both measures in this process, and with the portable kernel in another one.
func both(ctx context.Context, o options, url string) error {
	if err := measureAt(ctx, o, url); err != nil {
		return err
	}
	own, known := map[string]string{"amd64": "avx2", "arm64": "asimddp"}[runtime.GOARCH]
	if !known {
		return nil
	}
	again := exec.CommandContext(ctx, os.Args[0], "-portable", "-at", url, "-k", fmt.Sprint(o.k), "-windows", fmt.Sprint(o.windows), "-repeats", fmt.Sprint(o.repeats))
	again.Env = append(again.Environ(), "GODEBUG=cpu."+own+"=off")
	again.Stdout, again.Stderr = os.Stdout, os.Stderr
	return again.Run()
}

func measureAt(ctx context.Context, o options, url string) error {
	db, err := postgres.Open(ctx, postgres.Options{URL: url, Name: "bench lists"})
	if err != nil {
		return err
	}
	defer db.Close()
	live, err := versions.New(db).Live(ctx)
	if err != nil {
		return err
	}
	v, store := live.Version, embeddings.New(db)
	var backend int
	if err := db.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		return err
	}
	began := time.Now()
	memory := recommend.NewMemory(store, 1<<40)
	if err := memory.Load(ctx, v); err != nil {
		return err
	}
	kernel, bar := "native", 5000.0
	if o.portable {
		kernel, bar = "portable", 1500
	}
	fmt.Printf("%s: version %d, %d items × %d, %d users, k %d, %d cores; index loaded in %.1f s\n",
		kernel, v.ID, v.Items, v.Dimension, v.Users, o.k, runtime.GOMAXPROCS(0), time.Since(began).Seconds())
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	lists := &recommend.Recommender{Versions: versions.New(db), Embeddings: store, Memory: memory}
	postmaster := cputime.Postmaster(backend)
	var rates []float64
	for range o.repeats {
		r, err := write(ctx, o, lists, v, postmaster)
		if err != nil {
			return err
		}
		fmt.Println("  " + r.String())
		rates = append(rates, r.rate())
	}
	slices.Sort(rates)
	fmt.Printf("  median %.0f lists/s (bar %.0f for 63,417 × 64 and k 100 on two cores)\n", rates[len(rates)/2], bar)
	return nil
}

// result is what all windows wrote.
type result struct {
	took, cpu, postgres time.Duration // cpu, postgres: processor times of this process and of Postgres
	lists, bytes        int64
	stages              map[string]int64
}

func (r result) rate() float64 { return float64(r.lists) / r.took.Seconds() }

func (r result) String() string {
	var stages []string
	for _, stage := range []string{recommend.Personalized, recommend.Session, recommend.Popular} {
		if n := r.stages[stage]; n > 0 {
			stages = append(stages, fmt.Sprintf("%d %s", n, stage))
		}
	}
	each := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(max(r.lists, 1)) }
	return fmt.Sprintf("%.0f lists/s: %s in %.1f s; processor time %.3f ms a list and %.3f ms in Postgres, so that %d idle cores write up to %.0f lists/s; %d bytes a list",
		r.rate(), strings.Join(stages, ", "), r.took.Seconds(), each(r.cpu), each(r.postgres),
		runtime.GOMAXPROCS(0), float64(runtime.GOMAXPROCS(0))*float64(r.lists)/(r.cpu+r.postgres).Seconds(), r.bytes/max(r.lists, 1))
}

func write(ctx context.Context, o options, lists *recommend.Recommender, v recsys.Version, postmaster int) (result, error) {
	r := result{stages: map[string]int64{}}
	began, before, beforePostgres := time.Now(), cputime.Process(), cputime.Postgres(postmaster)
	for i := range o.windows {
		stages, err := batchlists.Window{
			Recommender: lists, Request: recommend.Request{K: o.k, Version: v.ID},
			Users: batchlists.AllUsers(ctx, lists.Embeddings, v, backfill.WindowHashes(i, o.windows)),
			Put: func(_ int, _ io.ReadSeeker, rows, bytes int64) error {
				r.lists, r.bytes = r.lists+rows, r.bytes+bytes
				return nil
			},
			Progress: func(int64) {},
		}.Write(ctx)
		if err != nil {
			return r, err
		}
		for stage, n := range stages {
			r.stages[stage] += n
		}
	}
	r.took, r.cpu, r.postgres = time.Since(began), cputime.Process()-before, cputime.Postgres(postmaster)-beforePostgres
	return r, nil
}
