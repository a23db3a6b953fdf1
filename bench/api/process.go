package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/recflow/recflow/internal/apiclient"
)

// buildAPI builds the API, before anything that takes long, and returns the binary
// and a function that removes it.
func buildAPI(ctx context.Context) (binary string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "recflow-bench-api-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	binary = filepath.Join(dir, "recflow-api")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./api")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		remove()
		return "", nil, fmt.Errorf("build the API: %w", err)
	}
	return binary, remove, nil
}

const readyTimeout = 20 * time.Second

// startAPI runs the API on a database and waits until it is ready.
func startAPI(ctx context.Context, binary, database string) (api *apiclient.Client, stop func(), err error) {
	process := exec.CommandContext(ctx, binary)
	process.Env = []string{"RECFLOW_DATABASE_URL=" + database, "RECFLOW_API_ADDRESS=127.0.0.1:0", "RECFLOW_API_METRICS_ADDRESS=127.0.0.1:0",
		"RECFLOW_API_AUTH=none", "RECFLOW_API_RATE=1000000", "RECFLOW_API_BURST=1000000", "RECFLOW_STREAM=", "RECFLOW_TEMPORAL_ADDRESS=127.0.0.1:1"}
	log, err := process.StderrPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := process.Start(); err != nil {
		return nil, nil, err
	}
	giveUp := time.AfterFunc(readyTimeout, func() { _ = process.Process.Kill() })
	defer giveUp.Stop()
	copied := make(chan struct{})
	stop = func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		<-copied // Wait closes the pipe
		_ = process.Wait()
	}
	lines := bufio.NewScanner(log)
	address, err := readyAddress(lines)
	go func() {
		defer close(copied)
		for lines.Scan() {
			fmt.Fprintln(os.Stderr, lines.Text())
		}
	}()
	if err != nil {
		stop()
		return nil, nil, err
	}
	return apiclient.New(apiclient.Options{URL: "http://" + address}), stop, nil
}

// readyAddress forwards the API's log until the line with its address.
func readyAddress(lines *bufio.Scanner) (string, error) {
	for lines.Scan() {
		fmt.Fprintln(os.Stderr, lines.Text())
		var line struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "api ready" {
			return line.Address, nil
		}
	}
	return "", errors.Join(errors.New("the API exited before it was ready"), lines.Err())
}
