// Command import measures `recflow import`: rows per second, processor time and
// peak memory for each format, into a bucket that accepts everything.
//
//	go run ./bench/import                    10,000,000 rows
//	go run ./bench/import -size 1m -rounds 3
//	go run ./bench/import -base PATH         also another build of recflow, alternating
//	go run ./bench/import -file log.csv      a file instead of generated ones
//
// The command runs as a process of its own, so that its memory is measured alone.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/recflow/recflow/bench/internal/setup"
)

type options struct {
	size, formats, base, file string
	rounds                    int
}

func main() {
	var o options
	flag.StringVar(&o.size, "size", "10m", "number of rows, with an optional suffix k or m")
	flag.StringVar(&o.formats, "formats", "csv,jsonl,parquet", "formats to measure, separated by commas")
	flag.StringVar(&o.base, "base", "", "another build of recflow to compare with")
	flag.StringVar(&o.file, "file", "", "file to import instead of generated ones")
	flag.IntVar(&o.rounds, "rounds", 1, "number of rounds; the median is reported")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "import:", err)
		os.Exit(1)
	}
}

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
	current := filepath.Join(dir, "recflow")
	build := exec.CommandContext(ctx, "go", "build", "-o", current, "./cmd/recflow")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build recflow: %w", err)
	}
	builds := []string{current}
	if o.base != "" {
		builds = append(builds, o.base)
	}
	bucket := newBucket()
	defer bucket.Close()
	fmt.Printf("%-8s %-7s %12s %12s %10s %10s %10s\n", "format", "build", "rows", "rows/s", "seconds", "cpu s", "peak MiB")
	files := strings.Split(o.formats, ",")
	if o.file != "" {
		files = []string{""}
	}
	for _, format := range files {
		path := o.file
		if path == "" {
			path = filepath.Join(dir, "rows."+format)
			if err := generate(path, format, rows); err != nil {
				return err
			}
		}
		if err := measure(ctx, builds, bucket, dir, path, format, o.rounds); err != nil {
			return err
		}
		if o.file == "" {
			os.Remove(path)
		}
	}
	return nil
}

// result is one import.
type result struct {
	rows       int64
	clock, cpu time.Duration
	peakMiB    int64
}

// measure imports a file with every build, round by round, and prints the medians.
func measure(ctx context.Context, builds []string, bucket *bucket, dir, path, format string, rounds int) error {
	results := make([][]result, len(builds))
	for range rounds {
		for i, binary := range builds {
			r, err := importOnce(ctx, binary, bucket, dir, path)
			if err != nil {
				return fmt.Errorf("%s of %s: %w", binary, path, err)
			}
			results[i] = append(results[i], r)
		}
	}
	var seconds []float64
	for i, all := range results {
		slices.SortFunc(all, func(a, b result) int { return int(a.clock - b.clock) })
		r := all[len(all)/2]
		name := "current"
		if i > 0 {
			name = "base"
		}
		seconds = append(seconds, r.clock.Seconds())
		fmt.Printf("%-8s %-7s %12d %12.0f %10.2f %10.2f %10d\n", format, name, r.rows, float64(r.rows)/r.clock.Seconds(), r.clock.Seconds(), r.cpu.Seconds(), r.peakMiB)
	}
	if len(seconds) == 2 {
		fmt.Printf("%-8s current ÷ base by clock: %.2f\n", format, seconds[0]/seconds[1])
	}
	return nil
}

func importOnce(ctx context.Context, binary string, bucket *bucket, dir, path string) (result, error) {
	cmd := exec.CommandContext(ctx, binary, "import", path, "-o", "json", "--quiet")
	cmd.Env = append(cmd.Environ(), bucket.env()...)
	cmd.Env = append(cmd.Env, "RECFLOW_HOME="+filepath.Join(dir, "home"), "TMPDIR="+dir)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return result{}, fmt.Errorf("%w: %s", err, errs.String())
	}
	r := result{clock: time.Since(begin)}
	var imported struct{ Rows, Rejected int64 }
	if err := json.Unmarshal(out.Bytes(), &imported); err != nil {
		return r, err
	}
	r.rows = imported.Rows
	if imported.Rejected > 0 {
		return r, fmt.Errorf("%d rows were rejected", imported.Rejected)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if ok {
		r.cpu = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		r.peakMiB = usage.Maxrss >> 10
	}
	return r, nil
}
