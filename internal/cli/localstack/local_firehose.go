package localstack

import (
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/local/aws/firehose"
	"github.com/recflow/recflow/internal/local/stack"
)

func newFirehoseCommand(a *app.App) *cobra.Command {
	var port int
	cmd := &cobra.Command{
		Use:   "firehose",
		Short: "Run the local Firehose endpoint",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			home, settings, err := localSettings()
			if err != nil {
				return err
			}
			vars := settings.PartEnv(home, "firehose")
			aws, err := awsclient.Load(cmd.Context(), awsclient.OptionsFrom(vars))
			if err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(a.Err, nil))
			server, err := firehose.New(firehose.Options{
				Addr:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
				StateDir: filepath.Join(home, "firehose"),
				Streams:  deliveryStreams(),
				Bucket:   awsclient.NewS3(aws, vars["RECFLOW_BUCKET"]),
				Log:      log,
			})
			if err != nil {
				return fmt.Errorf("open Firehose: %w", err)
			}
			return server.Run(cmd.Context(), func(addr string) {
				log.Info("listening", "address", addr)
			})
		},
	}
	cmd.Flags().IntVar(&port, "port", 0, "port on 127.0.0.1")
	return cmd
}

// deliveryStreams are those of the local stack. Their buffers are short: users wait
// for the objects, and training must find every event older than
// RECFLOW_STORED_MARGIN.
func deliveryStreams() []firehose.Stream {
	day := "dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
	out := []firehose.Stream{
		{Name: stack.Recommendations, Prefix: "recommendations/" + day},
		{Name: stack.Events, Prefix: "raw/events/" + day},
		{Name: stack.Quarantine, Prefix: "quarantine/" + day},
	}
	for i := range out {
		out[i].ErrorPrefix = "errors/" + out[i].Name + "/!{firehose:error-output-type}/" + day
		out[i].BufferBytes, out[i].BufferEvery = 5<<20, time.Second
	}
	return out
}
