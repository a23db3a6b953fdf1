package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres"
)

// buildAPI builds the API, before anything that takes long, and returns the binary
// and what removes it.
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

// startAPI runs the API on a database and waits until it answers.
func startAPI(ctx context.Context, binary, database string) (api *apiclient.Client, stop func(), err error) {
	port, err := postgres.FreePort()
	if err != nil {
		return nil, nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	process := exec.Command(binary)
	process.Env = []string{"RECFLOW_DATABASE_URL=" + database, "RECFLOW_API_ADDRESS=" + address, "RECFLOW_API_METRICS_ADDRESS=127.0.0.1:0",
		"RECFLOW_API_AUTH=none", "RECFLOW_API_RATE=1000000", "RECFLOW_API_BURST=1000000", "RECFLOW_STREAM=", "RECFLOW_TEMPORAL_ADDRESS=127.0.0.1:1"}
	process.Stderr = os.Stderr
	if err := process.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		_ = process.Wait()
	}
	if err := answers(ctx, "http://"+address+"/healthz"); err != nil {
		stop()
		return nil, nil, err
	}
	return apiclient.New(apiclient.Options{URL: "http://" + address}), stop, nil
}

func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the API does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
