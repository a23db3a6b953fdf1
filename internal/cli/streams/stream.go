// Package streams has the command stream, which shows how the stream is doing.
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
		Short: "See how far the stream is, and what it is good for",
	}
	cmd.AddCommand(newStatusCommand(a), newQualityCommand(a))
	return cmd
}

const streamStatusLong = `Shows what became of the events of the last while: how many a second, their
verdicts with reasons, the stages of the lists they shaped, and the time from
an event's arrival in the stream to its verdict (p50, p95, p99).

folded       the event shapes the user's list
ignored      it is stored and shapes nothing for now; the reason says why
quarantined  it can never succeed; see ` + "`recflow quarantine list`" + `

Of the local stack it also shows the event source mapping: the age of the
oldest record that is not done, and each shard. On AWS CloudWatch has these.
It exits with 1 when the mapping does not answer.`

func newStatusCommand(a *app.App) *cobra.Command {
	var since time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what became of the latest events, and how fast",
		Long:  streamStatusLong,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if since <= 0 {
				return app.UsageError(fmt.Errorf("--since is %s; use more than 0", since))
			}
			if err := a.CheckOutput(); err != nil {
				return err
			}
			return showStatus(cmd.Context(), a, since)
		},
	}
	cmd.Flags().DurationVar(&since, "since", 5*time.Minute, "count the verdicts of this long, at most 168h")
	a.AddOutputFlag(cmd)
	return cmd
}

// streamStatus is everything known of the stream, as -o json prints it.
type streamStatus struct {
	Mapping *mappingStatus `json:"mapping,omitempty"` // of the local stack; absent when it does not answer
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
