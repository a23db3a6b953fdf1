// Package streams has the command stream, which shows the state of the stream and
// replays the batches that its mapping gave up.
package streams

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
)

// NewCommand returns the command stream.
func NewCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stream",
		Short: "Show stream progress and quality, and replay failed batches",
	}
	cmd.AddCommand(newStatusCommand(a), newQualityCommand(a), newReplayCommand(a))
	return cmd
}

const streamStatusLong = `Show the recent events of the stream: their rate, their verdicts with reasons,
the stages of the lists that they affected, and the time from an event's arrival
in the stream to its verdict (p50, p95, p99).

folded       the event affects the user's list
ignored      it is stored without effect, for the given reason
quarantined  it can never be processed; see ` + "`recflow quarantine list`" + `

For the local stack, also show the event source mapping: the age of the
oldest record that is not processed, and each shard. On AWS, use CloudWatch.
Exit with 1 if the mapping is unreachable.`

func newStatusCommand(a *app.App) *cobra.Command {
	var since time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the verdicts of recent events, and their latency",
		Long:  streamStatusLong,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if since <= 0 {
				return app.UsageError(fmt.Errorf("--since is %s; use more than 0", since))
			}
			return showStatus(cmd.Context(), a, since)
		},
	}
	cmd.Flags().DurationVar(&since, "since", 5*time.Minute, "count verdicts within this time, at most 168h")
	a.AddOutputFlag(cmd)
	return cmd
}

// streamStatus is the state of the stream, the output with -o json.
type streamStatus struct {
	Mapping *mappingStatus `json:"mapping,omitempty"` // of the local stack; absent if it is unreachable
	apiclient.StreamStatus
}

func showStatus(ctx context.Context, a *app.App, since time.Duration) error {
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	client, err := a.ClientConfig()
	if err != nil {
		return err
	}
	var status streamStatus
	if status.StreamStatus, err = api.StreamStatus(ctx, since); err != nil {
		return app.ExplainAPI(err)
	}
	var away error
	if client.Stream.Status != "" {
		status.Mapping, away = readMapping(ctx, client.Stream.Status)
	}
	if err := printStreamStatus(a, status); err != nil {
		return err
	}
	return away
}
