package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/local/aws/eventsource"
	"github.com/recflow/recflow/internal/vectorstore"
)

func (a *app) streamCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stream",
		Short: "See how far the stream is, and what it is good for",
	}
	cmd.AddCommand(a.streamStatusCommand(), a.streamQualityCommand())
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

func (a *app) streamStatusCommand() *cobra.Command {
	var since time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what became of the latest events, and how fast",
		Long:  streamStatusLong,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if since <= 0 {
				return exitError{2, fmt.Errorf("--since is %s; use more than 0", since)}
			}
			if err := a.checkOutput(); err != nil {
				return err
			}
			return a.streamStatus(cmd.Context(), since)
		},
	}
	cmd.Flags().DurationVar(&since, "since", 5*time.Minute, "count the verdicts of this long")
	a.addOutputFlag(cmd)
	return cmd
}

// streamStatus is everything known of the stream, as -o json prints it.
type streamStatus struct {
	Mapping *eventsource.Status `json:"mapping,omitempty"` // of the local stack; absent when it does not answer

	Since     time.Time                  `json:"since"`
	Seconds   float64                    `json:"seconds"` // since then
	Events    int64                      `json:"events"`
	PerSecond float64                    `json:"events_per_second"`
	Verdicts  []vectorstore.VerdictCount `json:"verdicts"`
	Stages    []stageShare               `json:"stages"`
	Newest    time.Time                  `json:"newest,omitzero"` // the last verdict
	Freshness *latency                   `json:"freshness,omitempty"`
}

// stageShare is how many of the folded events shaped a list of a stage.
type stageShare struct {
	vectorstore.StageCount
	Share float64 `json:"share"`
}

func (a *app) streamStatus(ctx context.Context, since time.Duration) error {
	store, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	stats, err := store.StreamStats(ctx, since)
	if err != nil {
		return err
	}
	status := newStreamStatus(stats, since)
	client, err := clientConfig()
	if err != nil {
		return err
	}
	var away error
	if client.Stream.Status != "" {
		status.Mapping, away = readMapping(ctx, client.Stream.Status)
	}
	if err := a.printStreamStatus(status); err != nil {
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
		out.Freshness = &latency{ms(s.P50), ms(s.P95), ms(s.P99)}
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

// readMapping asks the local event source mapping how far it is.
func readMapping(ctx context.Context, address string) (*eventsource.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("RECFLOW_STREAM_STATUS: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the stream's mapping does not answer; start the local stack with `recflow up`: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the stream's mapping answers %s", resp.Status)
	}
	var s eventsource.Status
	if err := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 1<<20)).Decode(&s); err != nil {
		return nil, fmt.Errorf("read the status of the stream's mapping: %w", err)
	}
	return &s, nil
}
