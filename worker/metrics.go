package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/telemetry"
	"github.com/recflow/recflow/workflows"
)

const measureEvery = time.Minute

// measure writes the age of the live version, at once and every minute until
// ctx ends. Every worker writes it; the alarm uses the maximum.
func measure(ctx context.Context, log *slog.Logger, store *versions.Store, temporal client.Client, out io.Writer, dimensions []telemetry.Dimension) {
	tick := time.NewTicker(measureEvery)
	defer tick.Stop()
	for {
		since, err := liveSince(ctx, store, temporal)
		if err == nil {
			err = ageLine(since, time.Now(), dimensions).Write(out)
		}
		if err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "failed to measure the age of the live version", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// liveSince returns when the live version was promoted. If no version was ever
// promoted, it returns the deployment's first start: a deployment that never
// promotes must raise the same alarm as one that stopped promoting.
func liveSince(ctx context.Context, store *versions.Store, temporal client.Client) (time.Time, error) {
	since, err := store.LiveSince(ctx)
	if errors.Is(err, recsys.ErrNoLiveVersion) {
		return workflows.FirstStart(ctx, temporal)
	}
	return since, err
}

// dimensionsOf returns the dimensions of all metrics of the worker: none when
// the installation has no name.
func dimensionsOf(installation string) []telemetry.Dimension {
	if installation == "" {
		return nil
	}
	return []telemetry.Dimension{{Name: "installation", Value: installation}}
}

func ageLine(since, now time.Time, dimensions []telemetry.Dimension) telemetry.Line {
	age := max(0, now.Sub(since)) // the clocks may differ
	return telemetry.Line{Namespace: telemetry.Namespace, Dimensions: dimensions, At: now, Metrics: []telemetry.Metric{
		{Name: "live_version_age_seconds", Unit: telemetry.Seconds, Value: age.Truncate(time.Second).Seconds()},
	}}
}
