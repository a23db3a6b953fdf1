// Command stream measures the stream of a running local stack: the freshness of
// lists at a steady rate, the sustained events per second, and the time per list by
// step. It sends the data set's events after the import; each run needs events that
// were not sent before, so pass -skip.
//
//	RECFLOW_HOME=.recflow go run ./bench/stream [-rate 200] [-seconds 120] [-peak 20000] [-skip 0]
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/recflow/recflow/internal/config"
)

func main() {
	rate := flag.Int("rate", 200, "events per second of the steady part")
	seconds := flag.Int("seconds", 120, "length of the steady part")
	peak := flag.Int("peak", 20_000, "events of the part without a rate")
	skip := flag.Int("skip", 0, "events already sent by earlier runs")
	flag.Parse()
	if err := run(*rate, *rate**seconds, *peak, *skip); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(rate, steady, peak, skip int) error {
	local, err := config.ReadLocal()
	if err != nil {
		return err
	}
	fmt.Printf("%d cores, %s/%s, %s\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	dir, err := os.MkdirTemp("", "recflow-bench-stream-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	all := filepath.Join(dir, "all.jsonl")
	if err := recflow("events", "generate", "--limit", strconv.Itoa(skip+steady+peak), "--out", all, "--quiet"); err != nil {
		return err
	}
	lines, err := os.ReadFile(all)
	if err != nil {
		return err
	}
	rows := bytes.SplitAfter(lines, []byte("\n"))
	if len(rows) < skip+steady+peak {
		return fmt.Errorf("the data set has %d events after the import; use smaller numbers", len(rows)-1)
	}
	for _, part := range []struct {
		name string
		rows [][]byte
		args []string
	}{
		{fmt.Sprintf("%d events at %d/s", steady, rate), rows[skip : skip+steady], []string{"--rate", strconv.Itoa(rate)}},
		{fmt.Sprintf("%d events at once", peak), rows[skip+steady : skip+steady+peak], nil},
	} {
		if len(part.rows) == 0 {
			continue
		}
		if err := measure(local.Home, dir, part.name, part.rows, part.args); err != nil {
			return err
		}
	}
	return nil
}

// measure sends events, waits for their verdicts, and sums up the function's batch
// metrics meanwhile.
func measure(home, dir, name string, rows [][]byte, args []string) error {
	file := filepath.Join(dir, "part.jsonl")
	if err := os.WriteFile(file, bytes.Join(rows, nil), 0o600); err != nil {
		return err
	}
	log, err := os.Open(filepath.Join(home, "logs", "stream.log"))
	if err != nil {
		return fmt.Errorf("open the stream's log (is the stack up?): %w", err)
	}
	defer log.Close()
	if _, err := log.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	fmt.Printf("\n%s\n", name)
	began := time.Now()
	if err := recflow(append([]string{"events", "send", file, "--wait", "--timeout", "10m", "--quiet"}, args...)...); err != nil {
		return err
	}
	took := time.Since(began)
	fmt.Printf("%.0f events/s from the first put to the last verdict\n", float64(len(rows))/took.Seconds())
	return report(log)
}

func recflow(args ...string) error {
	cmd := exec.Command("bin/recflow", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("recflow %s: %w", args[0], err)
	}
	return nil
}

// report sums up the metrics of the batches.
func report(log io.Reader) error {
	sums := map[string]float64{}
	batches := 0
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if !bytes.Contains(lines.Bytes(), []byte(`"_aws"`)) {
			continue
		}
		var metrics map[string]any
		if json.Unmarshal(lines.Bytes(), &metrics) != nil {
			continue
		}
		batches++
		for name, v := range metrics {
			if n, ok := v.(float64); ok {
				sums[name] += n
			}
		}
	}
	lists := sums["ListsPersonalized"] + sums["ListsSession"] + sums["ListsPopular"]
	fmt.Printf("%d batches, %.0f events and %.0f lists a batch, %.0f events evaluated; milliseconds a list:", batches,
		sums["Records"]/float64(max(batches, 1)), lists/float64(max(batches, 1)), sums["EventsEvaluated"])
	for _, step := range []string{"Store", "Read", "Fold", "Search", "Write"} {
		fmt.Printf("  %s %.2f", step, sums[step+"Time"]/max(lists, 1))
	}
	fmt.Println()
	return lines.Err()
}
