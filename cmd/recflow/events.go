package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/importer"
)

const eventFormats = "auto, csv, jsonl or parquet"

func (a *app) eventsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Send events to the stream, or play a data set back as one",
	}
	cmd.AddCommand(a.eventsSendCommand(), a.eventsGenerateCommand())
	return cmd
}

// addColumnFlags gives flags the ways to say what a file's columns mean.
func addColumnFlags(flags *pflag.FlagSet, o *importer.Options, formats string) {
	flags.StringVar(&o.Format, "format", "auto", "format of the file: "+formats)
	flags.StringVar(&o.EventType, "event-type", "", "type of events whose row names none (default click, or rating)")
	c := &o.Columns
	flags.StringVar(&c.User, "user-column", "", "column of the user")
	flags.StringVar(&c.Item, "item-column", "", "column of the item")
	flags.StringVar(&c.Time, "time-column", "", "column of the time; none for no column")
	flags.StringVar(&c.Value, "value-column", "", "column of the value, such as stars or a quantity; none for no column")
	flags.StringVar(&c.Type, "type-column", "", "column of the event type; none for no column")
	flags.StringVar(&c.ID, "id-column", "", "column of the event id; none for no column")
}

// readingOptions completes the options of a file that is only read, and returns
// the bucket that knows when it was read first. The bucket is nil where there is
// none.
func (a *app) readingOptions(ctx context.Context, o importer.Options) (importer.Store, importer.Options, error) {
	local, err := config.ReadLocal()
	if err != nil {
		return nil, o, err
	}
	o.Stdin = a.in
	if _, err := os.Stat(local.Home); err == nil {
		o.TempDir = filepath.Join(local.Home, "tmp") // where there is room for data
	}
	store, err := a.importStore(ctx, true)
	return store, o, err
}

// openKinesis returns the stream of the running system.
func (a *app) openKinesis(ctx context.Context) (*awsclient.Kinesis, error) {
	c, aws, err := openAWS(ctx, func(c config.Client) string { return c.Stream.Name }, "RECFLOW_STREAM")
	if err != nil {
		return nil, err
	}
	return awsclient.NewKinesis(aws, c.Stream.Name), nil
}

// checkRate refuses a rate that cannot be kept to.
func checkRate(rate float64, given bool) error {
	if given && !(rate > 0 && rate <= 1e6) {
		return exitError{2, fmt.Errorf("--rate is %g; use more than 0 events a second", rate)}
	}
	return nil
}
