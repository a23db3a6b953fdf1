package importer

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/recflow/recflow/internal/importer/datasets"
	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// Options configures an import. The zero value of a size or a function means
// its default.
type Options struct {
	Format    string          // auto, movielens, csv, jsonl or parquet
	Columns   mapping.Columns // explicit columns
	Items     bool            // read the file as items, regardless of its columns
	EventType string          // type of events whose row has none
	Until     time.Time       // only events before this time; zero: all

	DryRun      bool   // write nothing, neither to the bucket nor to the rejects file
	MaxRejects  int64  // negative: 100 or 1 % of the rows, whichever is more
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
	o.Until = micros(o.Until)
	return o
}

// Import imports a file, a folder, or standard input ("-") into store, which
// may be nil in a dry run. It returns the result also together with an error of
// type TooManyRejects.
func Import(ctx context.Context, store Store, path string, o Options) (Result, error) {
	if err := o.Check(); err != nil {
		return Result{}, err
	}
	files, ignored, err := plan(path, o)
	if err != nil {
		return Result{}, err
	}
	return run(ctx, store, files, ignored, o)
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
	for _, file := range files {
		f := fileImport{store: store, file: file, options: o, rejects: shared}
		if err := f.run(ctx); err != nil {
			return r, err
		}
		r.Files = append(r.Files, f.result)
		r.Rows += f.result.Rows
		r.Rejected += f.result.Rejected
		if f.result.Kind == KindItems {
			r.Items += f.result.Accepted
		} else {
			r.Events += f.result.Accepted
		}
		if f.rejects.n > 0 && f.rejects.path != "" {
			r.Rejects = f.rejects.path
		}
	}
	if shared != nil {
		if err := shared.close(); err != nil {
			return r, err
		}
	}
	r.Seconds = time.Since(started).Seconds()
	return r, r.verdict(o)
}

// verdict returns an error if too many rows were rejected.
func (r Result) verdict(o Options) error {
	limit := o.MaxRejects
	if limit < 0 {
		limit = max(100, r.Rows/100)
	}
	if r.Rejected > limit || r.Rejected > 0 && r.Rejected == r.Rows {
		return TooManyRejects{Rejected: r.Rejected, Limit: limit, Rows: r.Rows, Path: r.Rejects}
	}
	return nil
}

// fileImport is the import of one file.
type fileImport struct {
	store   Store
	file    datasets.File
	options Options
	rejects *rejects

	in      *tabular.File
	source  tabular.Source
	mapping mapping.Mapping
	record  Record
	again   bool // the bucket had a record of the file
	old     Record
	spill   *spill
	last    lastRows
	result  FileResult

	// Set if the events are read and not written; see EventFile.
	take   func(*tabular.Record, mapping.Event) error
	refuse func(Reject) error
}

func (f *fileImport) run(ctx context.Context) (err error) {
	o := f.options
	f.in, err = tabular.Open(ctx, f.file.Path, o.Stdin, o.TempDir, func(n int64) {
		o.Progress(Progress{File: f.file.Path, Step: "hash", Done: n})
	})
	if err != nil {
		return err
	}
	defer f.in.Close()
	var format string
	if f.source, format, err = f.in.Records(f.file.Format); err != nil {
		return err
	}
	defer f.source.Close()
	if err := f.decide(format); err != nil {
		return fmt.Errorf("%s: %w", f.in.Name(), err)
	}
	if err := f.remember(ctx); err != nil {
		return err
	}
	if f.rejects == nil {
		f.rejects = &rejects{}
		if !o.DryRun {
			f.rejects.path = filepath.Join(o.RejectsDir, f.in.Base()+"-"+f.in.SHA256()[:16]+".jsonl")
		}
		defer f.rejects.close()
	}
	f.spill = newSpill(o.TempDir, o.SpillBytes)
	defer f.spill.close()
	if err := f.read(ctx); err != nil {
		return err
	}
	if err := f.in.Unchanged(); err != nil {
		return err
	}
	if f.options.RejectsFile == "" {
		if err := f.rejects.close(); err != nil {
			return err
		}
	}
	if o.DryRun {
		return nil
	}
	return f.write(ctx)
}

// decide determines the meaning of the columns.
func (f *fileImport) decide(format string) (err error) {
	names := f.source.Columns()
	if f.mapping, err = f.file.Rules.Mapping(names); err != nil {
		return err
	}
	if f.file.DataSet != "" {
		format = f.file.DataSet
	}
	f.result = FileResult{
		File: f.in.Name(), SHA256: f.in.SHA256(), Kind: KindEvents, Format: format,
		Columns: f.mapping.Names(names), EventType: f.mapping.EventType,
	}
	if f.mapping.Items {
		f.result.Kind, f.result.EventType = KindItems, ""
	}
	return f.source.Bind(f.mapping.Bindings(names))
}

// remember finds the time of the file's first import, or records the current
// time.
func (f *fileImport) remember(ctx context.Context) (err error) {
	wanted := Record{
		SchemaVersion: 1, SHA256: f.in.SHA256(), File: f.in.Base(), Bytes: f.in.Size(), FirstImportedAt: micros(f.options.Now()),
		Kind: f.result.Kind, Format: f.result.Format, Columns: f.result.Columns, EventType: f.result.EventType,
	}
	f.old = wanted
	switch {
	case f.options.DryRun && f.store == nil:
	case f.options.DryRun:
		f.old, err = lookUp(ctx, f.store, wanted)
		if errors.Is(err, recsys.ErrNotFound) {
			f.old, err = wanted, nil
		}
	default:
		f.old, f.again, err = claim(ctx, f.store, wanted)
	}
	if err != nil {
		return err
	}
	wanted.FirstImportedAt, wanted.File = f.old.FirstImportedAt, f.old.File
	f.record = wanted
	f.result.FirstImportedAt = wanted.FirstImportedAt
	return nil
}

// write puts the file's objects into the bucket and completes its record.
func (f *fileImport) write(ctx context.Context) error {
	// The bucket may have objects of another mapping. This is recorded first,
	// so that the next import can continue after an interruption.
	replaces := f.old.Replacing || !f.record.sameMapping(f.old)
	if replaces {
		f.record.Replacing = true
		if err := f.putRecord(ctx); err != nil {
			return err
		}
	}
	w := &writer{store: f.store, sha: f.in.SHA256(), again: f.again, options: f.options, keys: map[string]bool{}}
	w.progress = func(n int64) {
		f.options.Progress(Progress{File: f.file.Path, Step: "write", Done: n, Total: f.result.Accepted, Rows: n})
	}
	var err error
	if f.mapping.Items {
		err = w.items(ctx, f.spill, f.last)
	} else {
		err = w.events(ctx, f.spill)
	}
	if err == nil && replaces {
		err = w.removeOthers(ctx)
	}
	if err != nil {
		return err
	}
	f.result.Objects = w.out
	return f.complete(ctx)
}

// complete updates the file's record, unless an earlier import covered at least
// as much of the file.
func (f *fileImport) complete(ctx context.Context) error {
	if !f.options.Until.IsZero() && !f.mapping.Items {
		f.record.Until = &f.options.Until
	}
	if f.old.Complete && f.record.sameMapping(f.old) && f.old.reaches(f.record) {
		return nil
	}
	f.record.Complete, f.record.Replacing = true, false
	f.record.Rows, f.record.Accepted, f.record.Rejected = f.result.Rows, f.result.Accepted, f.result.Rejected
	return f.putRecord(ctx)
}

func (f *fileImport) putRecord(ctx context.Context) error {
	body, err := f.record.encode()
	if err == nil {
		err = f.store.Put(ctx, f.record.key(), body)
	}
	if err != nil {
		return fmt.Errorf("write the record of the import: %w", err)
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
