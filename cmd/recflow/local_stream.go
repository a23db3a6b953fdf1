package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/localaws/eventsource"
	"github.com/recflow/recflow/internal/localaws/lambda"
	"github.com/recflow/recflow/internal/stack"
)

// What the local stack gives the function and its mapping. A batch that fails is
// tried again until its records are a day old: on a laptop Postgres may be away
// for as long as a lid is closed.
const (
	functionTimeout = 30 * time.Second
	functionMemory  = 512 // MB
	environments    = 4
	streamBatch     = 500
	streamWindow    = 100 * time.Millisecond
	streamPoll      = 100 * time.Millisecond
	parallelBatches = 2 // of one shard
	recordAge       = 24 * time.Hour
)

func (a *app) localStreamCommand() *cobra.Command {
	var port int
	var function string
	cmd := &cobra.Command{
		Use:   "stream",
		Short: "Run the stream's function and its event source mapping",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Stat(function); err != nil {
				return fmt.Errorf("find the stream's function (run `make build`): %w", err)
			}
			home, settings, err := localSettings()
			if err != nil {
				return err
			}
			vars := settings.Env(home)
			maps.Copy(vars, map[string]string{"RECFLOW_DATABASE_MAX_CONNS": "2"})
			host, err := lambda.New(lambda.Options{
				Name: stack.Function, Command: []string{function}, Env: vars, Timeout: functionTimeout,
				MaxEnvironments: environments, MemoryMB: functionMemory, Log: a.err,
			})
			if err != nil {
				return err
			}
			defer host.Close()
			mapping, err := newMapping(cmd.Context(), a, host, vars, settings.Bucket, filepath.Join(home, "stream"))
			if err != nil {
				return err
			}
			return runMapping(cmd.Context(), mapping, port)
		},
	}
	cmd.Flags().IntVar(&port, "port", 0, "port of the status on 127.0.0.1")
	cmd.Flags().StringVar(&function, "function", "", "bootstrap of the function")
	return cmd
}

func newMapping(ctx context.Context, a *app, host *lambda.Host, vars map[string]string, bucket, dir string) (*eventsource.Mapping, error) {
	aws, err := awsclient.Load(ctx, awsclient.OptionsFrom(vars))
	if err != nil {
		return nil, err
	}
	return eventsource.New(eventsource.Options{
		Kinesis:     awsclient.NewKinesis(aws, stack.StreamName).API(),
		Stream:      stack.StreamName,
		Function:    host.Invoke,
		FunctionARN: host.ARN(),

		BatchSize: streamBatch, BatchWindow: streamWindow, Parallelization: parallelBatches, PollEvery: streamPoll,
		ReportBatchItemFailures: true, BisectOnError: true, MaxRecordAge: recordAge,
		OnFailure:     &eventsource.Destination{Bucket: awsclient.NewS3(aws, bucket), Prefix: "failed-batches/" + stack.Function},
		CheckpointDir: dir,
		Log:           slog.New(slog.NewTextHandler(a.err, nil)),
	})
}

// runMapping runs the mapping and tells on a port how far it is.
func runMapping(ctx context.Context, mapping *eventsource.Mapping, port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("serve the status: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(mapping.Status())
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer srv.Close()
		return mapping.Run(ctx)
	})
	group.Go(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the status: %w", err)
		}
		return nil
	})
	return group.Wait()
}
