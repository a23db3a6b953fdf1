// Package apiprocess builds the API from the current code and runs it, for
// benchmarks.
package apiprocess

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// profiler is added to the API's package for a profile. The profile begins when the
// process starts and ends with SIGUSR1.
const profiler = `package main

import (
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
)

func init() {
	out, err := os.Create(os.Getenv("BENCH_PROFILE"))
	if err == nil {
		err = pprof.StartCPUProfile(out)
	}
	if err != nil {
		panic(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGUSR1)
	go func() {
		<-stop
		pprof.StopCPUProfile()
		_ = out.Close()
	}()
}
`

// Build builds the API, before anything that takes long, and returns the binary
// and a function that removes it. With profiled, it is built with the profiler.
func Build(ctx context.Context, profiled bool) (binary string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "recflow-bench-api-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	binary = filepath.Join(dir, "recflow-api")
	args := []string{"build", "-o", binary}
	if profiled {
		overlay, err := writeOverlay(dir)
		if err != nil {
			remove()
			return "", nil, err
		}
		args = append(args, "-overlay", overlay)
	}
	build := exec.CommandContext(ctx, "go", append(args, "./api")...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		remove()
		return "", nil, fmt.Errorf("build the API: %w", err)
	}
	return binary, remove, nil
}

// writeOverlay writes an overlay file for go build that adds the profiler.
func writeOverlay(dir string) (string, error) {
	source, overlay := filepath.Join(dir, "profiler.go"), filepath.Join(dir, "overlay.json")
	added, err := filepath.Abs("api/profiler.go")
	if err != nil {
		return "", err
	}
	content, err := json.Marshal(map[string]any{"Replace": map[string]string{added: source}})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(os.WriteFile(source, []byte(profiler), 0o600), os.WriteFile(overlay, content, 0o600))
}

const readyTimeout = 60 * time.Second

// Options are the settings of an API.
type Options struct {
	Binary   string   // from Build
	Database string   // its address
	Profile  string   // file for a CPU profile; requires a binary with the profiler
	Env      []string // further settings, which override the defaults
	NoIndex  bool     // there is no live version to wait for
}

// Start runs the API on a database, without authentication and a rate limit. It
// waits until the API is ready and, unless o.NoIndex is set, has loaded the items of
// the live version, or does not load them. It returns the API's URL.
func Start(ctx context.Context, o Options) (url string, stop func(), err error) {
	process := exec.CommandContext(ctx, o.Binary)
	process.Env = append([]string{"RECFLOW_DATABASE_URL=" + o.Database, "RECFLOW_API_ADDRESS=127.0.0.1:0", "RECFLOW_API_METRICS_ADDRESS=127.0.0.1:0",
		"RECFLOW_API_AUTH=none", "RECFLOW_API_RATE=1000000", "RECFLOW_API_BURST=1000000", "RECFLOW_STREAM=", "RECFLOW_TEMPORAL_ADDRESS=127.0.0.1:1",
		"RECFLOW_SEARCH_MEMORY=4096", "BENCH_PROFILE=" + o.Profile}, o.Env...)
	log, err := process.StderrPipe()
	if err != nil {
		return "", nil, err
	}
	if err := process.Start(); err != nil {
		return "", nil, err
	}
	giveUp := time.AfterFunc(readyTimeout, func() { _ = process.Process.Kill() })
	defer giveUp.Stop()
	copied := make(chan struct{})
	stop = func() {
		if o.Profile != "" {
			_ = process.Process.Signal(syscall.SIGUSR1)
			time.Sleep(time.Second) // writing the profile
		}
		_ = process.Process.Signal(syscall.SIGTERM)
		<-copied // Wait closes the pipe
		_ = process.Wait()
	}
	lines := bufio.NewScanner(log)
	address, err := readyAddress(lines, o.NoIndex)
	go func() {
		defer close(copied)
		for lines.Scan() {
			fmt.Fprintln(os.Stderr, lines.Text())
		}
	}()
	if err != nil {
		stop()
		return "", nil, err
	}
	return "http://" + address, stop, nil
}

// readyAddress forwards the API's log until it has printed its address and, unless
// indexed, what became of the index.
func readyAddress(lines *bufio.Scanner, indexed bool) (address string, err error) {
	for lines.Scan() {
		fmt.Fprintln(os.Stderr, lines.Text())
		var line struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue
		}
		if line.Msg == "api ready" {
			address = line.Address
		}
		indexed = indexed || strings.Contains(line.Msg, "index") || strings.Contains(line.Msg, "searching in Postgres")
		if address != "" && indexed {
			return address, nil
		}
	}
	return "", errors.Join(errors.New("the API exited before it was ready"), lines.Err())
}
