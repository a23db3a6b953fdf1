package main

import (
	"context"
	"errors"
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

// startAPI builds the API, runs it on a database and waits until it answers.
func startAPI(ctx context.Context, database string) (api *apiclient.Client, stop func(), err error) {
	dir, err := os.MkdirTemp("", "recflow-bench-api-")
	if err != nil {
		return nil, nil, err
	}
	binary := filepath.Join(dir, "recflow-api")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./api")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("build the API: %w", err), os.RemoveAll(dir))
	}
	port, err := postgres.FreePort()
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	process := exec.Command(binary)
	process.Env = []string{"RECFLOW_DATABASE_URL=" + database, "RECFLOW_API_ADDRESS=" + address, "RECFLOW_API_METRICS_ADDRESS=127.0.0.1:0",
		"RECFLOW_API_AUTH=none", "RECFLOW_API_RATE=1000000", "RECFLOW_API_BURST=1000000", "RECFLOW_STREAM=", "RECFLOW_TEMPORAL_ADDRESS=127.0.0.1:1"}
	process.Stderr = os.Stderr
	if err := process.Start(); err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	stop = func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		_ = process.Wait()
		_ = os.RemoveAll(dir)
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
