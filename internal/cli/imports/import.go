// Package imports has the command import.
package imports

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
	"github.com/recflow/recflow/internal/importer/datasets"
	"github.com/recflow/recflow/internal/importer/tabular"
)

const importLong = `Import a file or a folder as events and items into the bucket, under
raw/interactions/ and raw/items/.

PATH is a CSV, JSON lines or Parquet file (plain, gzip or zstd), a folder of
them, a MovieLens folder (ratings.csv and movies.csv), or - for standard input.
The name completejourney downloads and imports a demonstration data set.

A file needs a column for the user and one for the item; they are recognized by
name (user, user_id, userId, customer_id, …; item, item_id, movieId, product_id,
…). Other columns are optional: the time (ISO 8601, or seconds, milliseconds or
microseconds since 1970), the event type, a value, an event id. Without a type
an event is a click, or a rating if there is a rating column. Without a time
it gets the time of the file's first import. A file without a user column but
with a title, category, tags or text is imported as items.

With --dry-run the command reports what it would read: what the file was taken
for, what each column was read as, how many events of each type count, and
warnings with the most harmful first. What a file leaves open is an error that
names the flag to decide with.

Invalid rows are written to a file of rejects with the reason. The others are
imported; the exit code is 1 if more than --max-rejects were rejected. Of several
paths each is imported by itself: one that fails does not prevent the next.

Importing a file again changes nothing. Importing it with another mapping of its
columns replaces the earlier import. A log that begins with the rows of an
earlier import continues it: these rows count once. With --ids content an event
has the same id in every file, so that overlapping files count once.`

// importFlags are the flags of the import command.
type importFlags struct {
	options    importer.Options
	until      string
	maxRejects int64
	recipe     string
}

// NewCommand returns the command import.
func NewCommand(a *app.App) *cobra.Command {
	var f importFlags
	var items, events bool
	cmd := &cobra.Command{
		Use:   "import PATH...|completejourney",
		Short: "Import events and items from a file, a folder or a data set",
		Long:  importLong,
		Example: "  recflow import completejourney --until 2017-12-10\n" +
			"  recflow import events.csv.gz --dry-run\n" +
			"  recflow import exports/*.csv --strict\n" +
			"  recflow import retailrocket/ --recipe retailrocket --dry-run\n" +
			"  recflow import log.csv --user-column visitor --time-column ts --event-type view",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.maxRejects < 0 && cmd.Flags().Changed("max-rejects") {
				return app.UsageError(fmt.Errorf("--max-rejects is %d; use 0 or more", f.maxRejects))
			}
			switch {
			case items:
				f.options.Kind = importer.KindItems
			case events:
				f.options.Kind = importer.KindEvents
			}
			return runImport(cmd.Context(), a, args, f)
		},
	}
	flags := cmd.Flags()
	sources.AddColumnFlags(flags, &f.options, "auto, movielens, csv, jsonl or parquet")
	flags.StringVar(&f.recipe, "recipe", "", "how to read the files of a source: a name that recflow import recipes lists, or a YAML file")
	sources.AddItemColumnFlags(flags, &f.options)
	flags.StringVar(&f.until, "until", "", "only events before this time (a date means its beginning, UTC)")
	flags.BoolVar(&f.options.DryRun, "dry-run", false, "read and check everything, write nothing")
	flags.BoolVar(&items, "items", false, "the file contains items, whatever its columns")
	flags.BoolVar(&events, "events", false, "the file contains events, whatever its columns")
	cmd.MarkFlagsMutuallyExclusive("items", "events")
	flags.BoolVar(&f.options.Replace, "replace", false, "the paths are a complete catalog: items that it lacks become unavailable, at once if an API is configured")
	flags.BoolVar(&f.options.Strict, "strict", false, "import nothing of a file with a warning, and exit with 1")
	flags.Int64Var(&f.maxRejects, "max-rejects", -1, "maximum number of rejected rows (default 1 % of the rows)")
	flags.StringVar(&f.options.RejectsFile, "rejects", "", "file for rejected rows (default: one per file, in the home's rejects/)")
	flags.Lookup("max-rejects").DefValue = "0" // not shown: the usage text describes the default
	a.AddOutputFlag(cmd)
	cmd.AddCommand(newRecipesCommand(a))
	return cmd
}

func runImport(ctx context.Context, a *app.App, paths []string, f importFlags) error {
	if err := f.options.Check(); err != nil {
		return app.UsageError(err)
	}
	if err := sources.CheckNamed(paths, f.options); err != nil {
		return err
	}
	local, err := config.ReadLocal()
	if err != nil {
		return err
	}
	o := f.options
	o.MaxRejects = f.maxRejects
	o.Stdin = a.In
	o.RejectsDir = filepath.Join(local.Home, "rejects")
	if _, err := os.Stat(local.Home); err == nil {
		o.TempDir = filepath.Join(local.Home, "tmp") // a directory with room for data
	}
	if f.recipe != "" {
		if _, o.Recipe, err = readRecipe(f.recipe); err != nil {
			return err
		}
		if o.Recipe.Interest != nil {
			if o.Interest, err = o.Recipe.Interest.Interest(); err != nil {
				return err
			}
		}
	}
	if f.until != "" {
		if o.Until, err = tabular.ParseTime(f.until); err != nil {
			return app.UsageError(fmt.Errorf("--until %w", err))
		}
	}
	store, err := sources.OpenStore(ctx, a, o.DryRun)
	if err != nil {
		return err
	}
	show := newImportProgress(a)
	o.Progress = show.update
	r, err := importInto(ctx, a, store, paths, local, o)
	if err != nil && len(r.Files) == 0 {
		show.fail()
		return err
	}
	show.done(r)
	explainImport(a, r)
	if o.Replace && !o.DryRun && err == nil {
		applyCatalog(ctx, a)
	}
	if e := a.Print(importListing(r)); e != nil {
		return e
	}
	return err
}

// importInto imports a path, or the data set with that name.
func importInto(ctx context.Context, a *app.App, store importer.Store, paths []string, local config.Local, o importer.Options) (importer.Result, error) {
	if len(paths) > 1 || paths[0] != datasets.CompleteJourney {
		return importer.Import(ctx, store, paths, o)
	}
	folder, err := sources.FetchCompleteJourney(ctx, a, local)
	if err != nil {
		return importer.Result{}, err
	}
	return importer.ImportCompleteJourney(ctx, store, folder, o)
}
