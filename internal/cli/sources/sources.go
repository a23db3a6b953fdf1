// Package sources resolves the files, directories and data sets that commands read.
package sources

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/importer"
	"github.com/recflow/recflow/internal/importer/datasets"
	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/importer/s3store"
	"github.com/recflow/recflow/internal/local/toolchain"
)

// DemoUntil excludes the last weeks of the data set from training, so that they can
// be replayed as a stream of new events.
const DemoUntil = "2017-12-04"

// AddColumnFlags adds the flags that map a file's columns.
func AddColumnFlags(flags *pflag.FlagSet, o *importer.Options, formats string) {
	flags.StringVar(&o.Format, "format", "auto", "format of the file: "+formats)
	flags.StringVar(&o.EventType, "event-type", "", "event type of rows without one (default click, or rating)")
	c := &o.Columns
	flags.StringVar(&c.User, "user-column", "", "column of the user ID")
	flags.StringVar(&c.Item, "item-column", "", "column of the item ID")
	flags.StringVar(&c.Time, "time-column", "", "column of the timestamp; none for no column")
	flags.StringVar(&c.Value, "value-column", "", "column of the value, such as stars or a quantity; none for no column")
	flags.StringVar(&c.Type, "type-column", "", "column of the event type; none for no column")
	flags.StringVar(&c.ID, "id-column", "", "column of the event ID; none for no column")
	flags.StringVar(&c.Session, "session-column", "", "column of the session ID; none for no column")
	flags.StringVar(&c.Recommendation, "recommendation-column", "", "column of the recommendation ID; none for no column")
	flags.StringVar(&o.Encoding, "encoding", "", "encoding of a text file, such as windows-1252 (default UTF-8, or UTF-16 if detected)")
	flags.StringVar(&o.TimeFormat, "time-format", "", "form of the times, such as dd/mm/yyyy or mm/dd/yyyy HH:mm (default: any that can be read in one way only)")
	flags.StringVar(&o.IDFormat, "id-format", "", "how 101.0 is read as the ID of a user or item: integer (101) or text (as it is)")
	flags.StringVar(&o.IDs, "ids", "", "content: derive event IDs from user, item, type, time and value, so that overlapping files count once")
	flags.StringVar(&o.ZeroTime, "zero-time", "", "rows with the time 0: reject (default), or none to give them the time of the import")
}

// AddItemColumnFlags adds the flags that map the columns of a catalog.
func AddItemColumnFlags(flags *pflag.FlagSet, o *importer.Options) {
	c := &o.Columns
	flags.StringVar(&c.Title, "title-column", "", "column of an item's title; none for no column")
	flags.StringVar(&c.Category, "category-column", "", "column of an item's category; none for no column")
	flags.StringVar(&c.Tags, "tags-column", "", "column of an item's tags; none for no column")
	flags.StringVar(&c.Text, "text-column", "", "column of an item's text; none for no column")
	flags.StringVar(&c.Available, "available-column", "", "column of an item's availability; none for no column")
}

// OpenStore returns the bucket of an import. A dry run works without one: it then
// does not know earlier imports.
func OpenStore(ctx context.Context, a *app.App, dryRun bool) (importer.Store, error) {
	if c, err := a.ClientConfig(); dryRun && (err != nil || c.Storage.Bucket == "") {
		return nil, err
	}
	b, err := a.OpenBucket(ctx)
	if err != nil {
		return nil, err
	}
	return s3store.New(b), nil
}

// CheckNamed rejects column flags, and other paths, for a data set whose columns
// are known.
func CheckNamed(paths []string, o importer.Options) error {
	if !slices.Contains(paths, datasets.CompleteJourney) {
		return nil
	}
	if len(paths) > 1 {
		return app.UsageError(fmt.Errorf("%s cannot be imported together with files", datasets.CompleteJourney))
	}
	var given []string
	if o.Format != "auto" {
		given = append(given, "--format")
	}
	if o.Kind != "" {
		given = append(given, "--items or --events")
	}
	if o.Encoding != "" {
		given = append(given, "--encoding")
	}
	if o.IDFormat+o.IDs+o.ZeroTime+o.TimeFormat != "" {
		given = append(given, "--id-format, --ids, --zero-time or --time-format")
	}
	if (o.Columns != mapping.Columns{}) {
		given = append(given, "columns")
	}
	if len(given) == 0 {
		return nil
	}
	return app.UsageError(fmt.Errorf("%s cannot be set for %s: its columns are known", strings.Join(given, ", "), datasets.CompleteJourney))
}

// FetchCompleteJourney downloads the data set into the cache and prints its terms.
func FetchCompleteJourney(ctx context.Context, a *app.App, local config.Local) (string, error) {
	if !a.Quiet {
		fmt.Fprintln(a.Err, datasets.CompleteJourneyTerms)
	}
	if folder, ok := datasets.CachedCompleteJourney(local.Cache); ok {
		return folder, nil
	}
	tools, err := toolchain.Installed(local.Cache)
	if err != nil {
		return "", err
	}
	task := a.Progress().Start("fetch", "completejourney, 32 MB")
	folder, err := datasets.FetchCompleteJourney(ctx, tools.Python, local.Cache)
	if err != nil {
		task.Fail()
		return "", err
	}
	task.Done("completejourney is in the cache")
	return folder, nil
}
