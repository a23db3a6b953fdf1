package localstack

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
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/local/aws/eventsource"
	"github.com/recflow/recflow/internal/local/aws/lambda"
	"github.com/recflow/recflow/internal/local/stack"
)

// Settings of the local function and its mapping. A failed batch is retried until
// its records are a day old: on a laptop Postgres may be unavailable for as long as
// the machine sleeps.
const (
	functionTimeout = 30 * time.Second
	functionMemory  = 512 // MB
	environments    = 4
	streamBatch     = 500
	streamWindow    = 100 * time.Millisecond
	streamPoll      = 100 * time.Millisecond
	parallelBatches = 2      // per shard
	maxRetries      = 10_000 // AWS's maximum: the age decides
	recordAge       = 22 * time.Hour
)

func newStreamCommand(a *app.App) *cobra.Command {
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
			mapping, host, err := newStream(cmd.Context(), a, home, settings, function)
			if err != nil {
				return err
			}
			defer host.Close()
			return runMapping(cmd.Context(), mapping, port)
		},
	}
	cmd.Flags().IntVar(&port, "port", 0, "port of the status on 127.0.0.1")
	cmd.Flags().StringVar(&function, "function", "", "bootstrap of the function")
	return cmd
}

// newStream creates the host of the function and the mapping that invokes it.
func newStream(ctx context.Context, a *app.App, home string, settings stack.Settings, function string) (*eventsource.Mapping, *lambda.Host, error) {
	vars := settings.PartEnv(home, "stream")
	maps.Copy(vars, map[string]string{"RECFLOW_DATABASE_MAX_CONNS": "2"})
	role, err := awsclient.Load(ctx, awsclient.OptionsFrom(vars))
	if err != nil {
		return nil, nil, err
	}
	f := lambda.Options{
		Name: stack.Function, Command: []string{function}, Env: vars, Timeout: functionTimeout,
		MaxEnvironments: environments, MemoryMB: functionMemory, Log: a.Err,
	}
	m := eventsource.Options{
		Kinesis: awsclient.NewKinesis(role, vars["RECFLOW_STREAM"]).API(),
		Stream:  vars["RECFLOW_STREAM"],

		BatchSize: streamBatch, BatchWindow: streamWindow, Parallelization: parallelBatches, PollEvery: streamPoll,
		ReportBatchItemFailures: true, BisectOnError: true, MaxRetries: maxRetries, MaxRecordAge: recordAge,
		OnFailure:     &eventsource.Destination{Bucket: awsclient.NewS3(role, vars["RECFLOW_BUCKET"]), Prefix: "aws/lambda/" + stack.Function},
		CheckpointDir: filepath.Join(home, "stream"),
		Log:           slog.New(slog.NewTextHandler(a.Err, nil)),
	}
	host, err := lambda.New(f)
	if err != nil {
		return nil, nil, err
	}
	m.Function, m.FunctionARN = host.Invoke, host.ARN()
	mapping, err := eventsource.New(m)
	if err != nil {
		host.Close()
		return nil, nil, err
	}
	return mapping, host, nil
}

// runMapping runs the mapping and serves its status on a port.
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
