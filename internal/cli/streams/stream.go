// Package streams has the command stream, which shows how the stream is doing.
package streams

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/database"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/vectorstore"
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
	cmd.Flags().DurationVar(&since, "since", 5*time.Minute, "count the verdicts of this long")
	a.AddOutputFlag(cmd)
	return cmd
}

// streamStatus is everything known of the stream, as -o json prints it.
type streamStatus struct {
	Mapping *mappingStatus `json:"mapping,omitempty"` // of the local stack; absent when it does not answer

	Since     time.Time                  `json:"since"`
	Seconds   float64                    `json:"seconds"` // since then
	Events    int64                      `json:"events"`
	PerSecond float64                    `json:"events_per_second"`
	Verdicts  []vectorstore.VerdictCount `json:"verdicts"`
	Stages    []stageShare               `json:"stages"`
	Newest    time.Time                  `json:"newest,omitzero"` // the last verdict
	Freshness *output.Latency            `json:"freshness,omitempty"`
}

// stageShare is how many of the folded events shaped a list of a stage.
type stageShare struct {
	vectorstore.StageCount
	Share float64 `json:"share"`
}

func showStatus(ctx context.Context, a *app.App, since time.Duration) error {
	store, err := database.Open(ctx, a)
	if err != nil {
		return err
	}
	defer store.Close()
	stats, err := store.StreamStats(ctx, since)
	if err != nil {
		return err
	}
	status := newStreamStatus(stats, since)
	client, err := a.ClientConfig()
	if err != nil {
		return err
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

func newStreamStatus(s vectorstore.StreamStats, since time.Duration) streamStatus {
	out := streamStatus{
		Since: s.Since, Seconds: since.Seconds(), Events: s.Events, PerSecond: float64(s.Events) / since.Seconds(),
		Verdicts: s.Verdicts, Newest: s.Newest,
	}
	if s.Events > 0 {
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		out.Freshness = &output.Latency{P50: ms(s.P50), P95: ms(s.P95), P99: ms(s.P99)}
	}
	var folded int64
	for _, c := range s.Stages {
		folded += c.Events
	}
	for _, c := range s.Stages {
		out.Stages = append(out.Stages, stageShare{c, float64(c.Events) / float64(folded)})
	}
	return out
}
