// Package events has the command events, which sends events to the stream.
package events

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/sources"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/importer"
)

const eventFormats = "auto, csv, jsonl or parquet"

// NewCommand returns the command events.
func NewCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Send events to the stream, or play back a data set",
	}
	cmd.AddCommand(newSendCommand(a), newGenerateCommand(a))
	return cmd
}

// readingOptions completes the options of a file that is only read, and returns
// the bucket that stores the time of its first reading. The bucket is nil if
// none is configured.
func readingOptions(ctx context.Context, a *app.App, o importer.Options) (importer.Store, importer.Options, error) {
	local, err := config.ReadLocal()
	if err != nil {
		return nil, o, err
	}
	o.Stdin = a.In
	if _, err := os.Stat(local.Home); err == nil {
		o.TempDir = filepath.Join(local.Home, "tmp") // a directory with room for data
	}
	store, err := sources.OpenStore(ctx, a, true)
	return store, o, err
}

// checkRate returns an error for an invalid rate.
func checkRate(rate float64, given bool) error {
	if given && !(rate > 0 && rate <= 1e6) {
		return app.UsageError(fmt.Errorf("--rate is %g; use more than 0 events a second", rate))
	}
	return nil
}
