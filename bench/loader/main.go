// Command loader measures how fast the files of a training run are loaded into
// Postgres, relative to the fastest way: the same rows, encoded beforehand, sent by
// the same driver as a binary COPY on as many connections.
//
//	go run ./bench/loader             100,000 items of 64 dimensions
//	go run ./bench/loader -size 1m    1,000,000
//
// A ratio of 1 would mean that decoding, checking and packing cost nothing. All
// runs of one table are interleaved in one process on one server.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/recflow/recflow/bench/internal/setup"
	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/versions"
)

func main() {
	var o options
	flag.StringVar(&o.size, "size", "100k", "number of items, with an optional suffix k or m")
	flag.IntVar(&o.dimension, "dimension", 64, "dimensions of a vector")
	flag.IntVar(&o.files, "files", 4, "number of files for the items")
	flag.IntVar(&o.rounds, "rounds", 5, "number of rounds; the median is reported")
	flag.StringVar(&o.streams, "streams", "1,2", "numbers of parallel streams to measure, separated by commas")
	flag.StringVar(&o.only, "only", "", "measure only this one of "+strings.Join(kinds, ", "))
	flag.BoolVar(&o.durable, "durable", false, "let Postgres wait for the disk, which hides some of the loader's cost")
	flag.StringVar(&o.profile, "cpuprofile", "", "file for a CPU profile of the comparison")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "loader:", err)
		os.Exit(1)
	}
}

type options struct {
	size, streams, only      string
	profile                  string
	dimension, files, rounds int
	durable                  bool
}

// The compared ways to load.
const (
	loader    = "loader"
	raw       = "raw copy"
	rowReader = "row reader"
	decode    = "decode only"
)

var kinds = []string{raw, loader, rowReader, decode}

func run(ctx context.Context, o options) error {
	rows, err := setup.Size(o.size)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "recflow-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	printMachine()

	fmt.Fprintln(os.Stderr, "starting Postgres and writing the files…")
	server, err := setup.Postgres(ctx, dir, !o.durable)
	if err != nil {
		return err
	}
	defer server.Stop(context.Background(), pgserver.Immediate)
	set, err := writeFiles(dir, rows, o.dimension, o.files)
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, postgres.Options{URL: server.URL(setup.Database), MaxConns: 8, Name: "bench"})
	if err != nil {
		return err
	}
	defer db.Close()
	pool, err := pgxpool.New(ctx, server.URL(setup.Database))
	if err != nil {
		return err
	}
	defer pool.Close()
	b := &bench{store: versions.New(db), set: set, pool: pool, dir: dir, postmaster: server.PID()}
	fmt.Printf("%d items × %d dimensions in %d files, %d MB of Parquet\n\n", rows, o.dimension, o.files, set.bytes()>>20)
	if o.only == "" {
		if err := b.measureMemory(ctx, 2); err != nil {
			return err
		}
	}
	if err := b.encode(ctx); err != nil {
		return err
	}
	if o.profile != "" {
		file, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	for _, field := range strings.Split(o.streams, ",") {
		streams, err := strconv.Atoi(field)
		if err != nil || streams < 1 {
			return fmt.Errorf("-streams %q: use numbers separated by commas", o.streams)
		}
		if err := b.compare(ctx, streams, o.rounds, o.only); err != nil {
			return err
		}
	}
	return nil
}

// compare measures every way of loading, round by round, and prints a table.
func (b *bench) compare(ctx context.Context, streams, rounds int, only string) error {
	results := map[string][]result{}
	for round := range rounds + 1 {
		for _, kind := range kinds {
			if only != "" && kind != only && kind != raw {
				continue
			}
			r, err := b.measure(ctx, kind, streams)
			if err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
			if round > 0 { // the first round opens the connections
				results[kind] = append(results[kind], r)
			}
		}
	}
	fmt.Printf("%d stream(s), median of %d rounds\n", streams, rounds)
	fmt.Printf("  %-12s %10s %7s   %-*s %9s %7s %7s %7s\n", "", "rows/s", "ratio", 5*rounds, "each round", "µs/row:", "client", "server", "ratio")
	for _, kind := range kinds {
		if len(results[kind]) > 0 {
			b.printRow(kind, results[kind], results[raw])
		}
	}
	fmt.Println()
	return nil
}

// result is one measurement.
type result struct {
	took time.Duration
	cpu  cpu
}

// printRow prints the rate and its ratio to the raw COPY of the same round, then
// the CPU time per row of both sides and the ratio of their sums.
func (b *bench) printRow(kind string, results, raws []result) {
	var ratios []float64
	var each []string
	var took []time.Duration
	var mine, base cpu
	for i, r := range results {
		ratio := raws[i].took.Seconds() / r.took.Seconds()
		took, ratios = append(took, r.took), append(ratios, ratio)
		each = append(each, fmt.Sprintf("%.2f", ratio))
		mine, base = mine.plus(r.cpu), base.plus(raws[i].cpu)
	}
	perRow := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(b.set.rows*len(results)) }
	fmt.Printf("  %-12s %10.0f %7.2f   %-*s %9s %7.2f %7.2f %7.2f\n", kind,
		float64(b.set.rows)/median(took).Seconds(), median(ratios), 5*len(each), strings.Join(each, " "),
		"", perRow(mine.client), perRow(mine.server), base.total().Seconds()/mine.total().Seconds())
}

func median[T time.Duration | float64](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func printMachine() {
	model := "unknown CPU"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	fmt.Printf("%s, %d cores, %s/%s, %s\n", model, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}
