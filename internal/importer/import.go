package importer

import (
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/recflow/recflow/internal/importer/datasets"
	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/importer/recipes"
	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// Options configures an import. The zero value of a size or a function means
// its default.
type Options struct {
	Recipe     *recipes.Recipe // how to read the files of a known source; nil: none
	Format     string          // auto, movielens, csv, jsonl or parquet
	Columns    mapping.Columns // explicit columns
	Kind       string          // KindEvents or KindItems, regardless of the columns; empty: decided by the columns
	EventType  string          // type of events whose row has none
	IDFormat   string          // mapping.IDsAsWritten or mapping.IDsWhole; empty: decided by the ids
	IDs        string          // ContentIDs; empty: the file's own, or derived from the file and the row
	Encoding   string          // of a text, see tabular.CheckEncoding; empty: UTF-8, or detected
	TimeFormat string          // form of the times, see tabular.ParseTimeFormat; empty: any that can be read in one way only
	ZeroTime   string          // mapping.ZeroRejected or mapping.ZeroMissing; empty: rejected
	Until      time.Time       // only events before this time; zero: all

	// Interest is the one under which the report counts events with weight. The zero
	// value means the default.
	Interest recsys.Interest

	DryRun      bool   // write nothing, neither to the bucket nor to the rejects file
	Replace     bool   // the files are a complete catalog: other items become unavailable in the next version
	Strict      bool   // refuse a file with a warning
	MaxRejects  int64  // negative: 1 % of the rows
	RejectsFile string // for the rejects of all files; empty: one per file, in RejectsDir
	RejectsDir  string
	TempDir     string // directory of the spill; it may need as much space as the decompressed file
	Stdin       io.Reader
	Now         func() time.Time
	Progress    func(Progress) // called often, never concurrently

	SpillBytes int // memory of the spill; default 64 MiB
	PartRows   int // rows per object; default 1,000,000
	Parallel   int // objects encoded and sent in parallel; default 4
}

// Check returns an error for options that are invalid for any file.
func (o Options) Check() error {
	if o.Format != "" && !slices.Contains([]string{tabular.Auto, datasets.MovieLens, tabular.CSV, tabular.JSONL, tabular.Parquet}, o.Format) {
		return fmt.Errorf("format %q is unknown; use auto, movielens, csv, jsonl or parquet", o.Format)
	}
	if !slices.Contains([]string{"", KindEvents, KindItems}, o.Kind) {
		return fmt.Errorf("kind %q is unknown; use events or items", o.Kind)
	}
	if !slices.Contains([]string{"", mapping.IDsAsWritten, mapping.IDsWhole}, o.IDFormat) {
		return fmt.Errorf("ID format %q is unknown; use text or integer", o.IDFormat)
	}
	if !slices.Contains([]string{"", ContentIDs}, o.IDs) {
		return fmt.Errorf("IDs %q are unknown; use content", o.IDs)
	}
	if _, err := tabular.ParseTimeFormat(o.TimeFormat); err != nil {
		return err
	}
	if err := tabular.CheckEncoding(o.Encoding); o.Encoding != "" && err != nil {
		return err
	}
	if !slices.Contains([]string{"", mapping.ZeroRejected, mapping.ZeroMissing}, o.ZeroTime) {
		return fmt.Errorf("zero time %q is unknown; use reject or none", o.ZeroTime)
	}
	if o.EventType == "" {
		return nil
	}
	if strings.TrimSpace(o.EventType) != o.EventType {
		return fmt.Errorf("event type %.40q is empty or has leading or trailing spaces", o.EventType)
	}
	return recsys.CheckID("event type", o.EventType)
}

func (o Options) withDefaults() Options {
	if o.Format == "" {
		o.Format = tabular.Auto
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.SpillBytes == 0 {
		o.SpillBytes = 64 << 20
	}
	if o.PartRows == 0 {
		o.PartRows = 1_000_000
	}
	if o.Parallel == 0 {
		o.Parallel = 4
	}
	if o.ZeroTime == mapping.ZeroRejected {
		o.ZeroTime = ""
	}
	if o.Interest.Weights == nil {
		o.Interest = recsys.DefaultInterest()
	}
	o.Until = micros(o.Until)
	return o
}

// ContentIDs derives event ids from the user, the item, the type, the time and the
// value, so that an event has one id in all files.
const ContentIDs = "content"

// Import imports files, folders, or standard input ("-") into store, which may be
// nil in a dry run. A file that fails does not prevent the next ones. It returns
// the result also together with an error, which is of type FilesFailed if there
// are several files, or TooManyRejects. With Replace nothing is written then, except
// from standard input, which can be read only once.
func Import(ctx context.Context, store Store, paths []string, o Options) (Result, error) {
	if err := o.Check(); err != nil {
		return Result{}, err
	}
	var files []datasets.File
	var ignored []string
	for _, path := range paths {
		found, skipped, err := plan(path, o)
		if err != nil && len(paths) > 1 {
			found, err = []datasets.File{{Path: path, Err: err}}, nil
		}
		if err != nil {
			return Result{}, err
		}
		if o.Recipe != nil {
			found, skipped = follow(o.Recipe, found, skipped)
		}
		files, ignored = append(files, found...), append(ignored, skipped...)
	}
	if o.Replace && !o.DryRun && !slices.Contains(paths, "-") {
		if r, err := readAll(ctx, store, files, ignored, o); err != nil {
			return r, err
		}
	}
	return run(ctx, store, files, ignored, o)
}

// readAll reads a complete catalog before anything is written: the items of a file that
// cannot be read, or of many rows that are rejected, would become unavailable.
func readAll(ctx context.Context, store Store, files []datasets.File, ignored []string, o Options) (Result, error) {
	o.DryRun = true
	r, err := run(ctx, store, files, ignored, o)
	if err != nil {
		err = fmt.Errorf("nothing was imported, because the catalog is not complete (--replace): %w", err)
	}
	return r, err
}

// follow applies a recipe to the files that it knows. All others are ignored.
func follow(r *recipes.Recipe, found []datasets.File, ignored []string) ([]datasets.File, []string) {
	var files []datasets.File
	for _, f := range found {
		entry := r.For(f.Path)
		switch {
		case f.Err != nil:
		case entry == nil:
			ignored = append(ignored, f.Path+": the recipe "+r.Name+" does not know it")
			continue
		case entry.Ignore != "":
			ignored = append(ignored, f.Path+": "+entry.Ignore)
			continue
		default:
			if f.DataSet == "" { // otherwise its columns are known
				f.Rules = entry.Apply(f.Rules)
			}
			f.Encoding = entry.Encoding
		}
		files = append(files, f)
	}
	return files, ignored
}

// ImportCompleteJourney imports the data set from the folder that
// datasets.FetchCompleteJourney returned: purchase lines become purchases,
// products become items. It imports every line; the result's notes count
// unusual ones. It ignores options about columns and formats.
func ImportCompleteJourney(ctx context.Context, store Store, folder string, o Options) (Result, error) {
	j := datasets.NewJourney(folder)
	r, err := run(ctx, store, []datasets.File{j.Products(), j.Purchases(o.EventType)}, nil, o)
	r.Notes = append(r.Notes, j.Notes()...)
	return r, err
}

func run(ctx context.Context, store Store, files []datasets.File, ignored []string, o Options) (Result, error) {
	o = o.withDefaults()
	started := time.Now()
	r := Result{DryRun: o.DryRun, Ignored: ignored}
	var shared *rejects
	if o.RejectsFile != "" && !o.DryRun {
		shared = &rejects{path: o.RejectsFile}
		defer shared.close()
	}
	earlier, err := Records(ctx, store)
	if err != nil {
		return r, err
	}
	var failed []error
	replacesBefore := currentAt(o.Now(), earlier)
	for _, file := range files {
		f := fileImport{store: store, file: file, options: o, rejects: shared, earlier: earlier, replacesBefore: replacesBefore}
		err := file.Err
		if err == nil {
			err = f.run(ctx)
		}
		if err != nil && (len(files) == 1 || ctx.Err() != nil) {
			r.add(&f)
			return r, err
		}
		if err != nil {
			f.result.File, f.result.Error = file.Path, err.Error()
			failed = append(failed, err)
		} else if !o.DryRun {
			earlier = append(slices.DeleteFunc(slices.Clone(earlier), func(r Record) bool { return r.SHA256 == f.record.SHA256 }), f.record)
		}
		r.add(&f)
	}
	if shared != nil {
		if err := shared.close(); err != nil {
			return r, err
		}
	}
	r.Seconds = time.Since(started).Seconds()
	if len(failed) > 0 {
		return r, FilesFailed{Files: len(files), Errs: failed}
	}
	return r, r.verdict(o)
}

// add adds the result of a file.
func (r *Result) add(f *fileImport) {
	if f.result.Report == nil && f.result.Error == "" {
		return
	}
	r.Files = append(r.Files, f.result)
	r.Rows += f.result.Rows
	r.Rejected += f.result.Rejected
	switch {
	case f.result.Error != "":
	case f.result.Kind == KindItems:
		r.Items += f.result.Accepted
	default:
		r.Events += f.result.Accepted
	}
	if f.rejects != nil && f.rejects.n > 0 && f.rejects.path != "" {
		r.Rejects = f.rejects.path
	}
}

// verdict returns an error if too many rows were rejected.
func (r Result) verdict(o Options) error {
	limit := o.MaxRejects
	if limit < 0 {
		limit = r.Rows / 100
	}
	if r.Rejected > limit || r.Rejected > 0 && r.Rejected == r.Rows {
		return TooManyRejects{Rejected: r.Rejected, Limit: limit, Rows: r.Rows, Default: o.MaxRejects < 0, Path: r.Rejects}
	}
	return nil
}

// lastRows stores the last row of every item of a file. It uses 24 bytes per
// item instead of the id; two hashes make a collision practically impossible.
type lastRows struct {
	seeds [2]maphash.Seed
	rows  map[[2]uint64]int64
}

func newLastRows() lastRows {
	return lastRows{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, rows: map[[2]uint64]int64{}}
}

func (l lastRows) key(id string) [2]uint64 {
	return [2]uint64{maphash.String(l.seeds[0], id), maphash.String(l.seeds[1], id)}
}

// set records a row of id, and reports whether there was one before.
func (l lastRows) set(id string, row int64) bool {
	k := l.key(id)
	_, before := l.rows[k]
	l.rows[k] = row
	return before
}

func (l lastRows) is(id string, row int64) bool { return l.rows[l.key(id)] == row }
