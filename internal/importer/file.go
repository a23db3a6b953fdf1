package importer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"time"

	"github.com/recflow/recflow/internal/importer/datasets"
	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/importer/report"
	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// fileImport is the import of one file.
type fileImport struct {
	store          Store
	file           datasets.File
	options        Options
	earlier        []Record  // all imports before this one
	replacesBefore time.Time // of a complete catalog: the beginning of its import
	rejects        *rejects

	in      *tabular.File
	sample  mapping.Sample
	format  string
	dialect []string
	mapping mapping.Mapping
	record  Record
	again   bool // the bucket had a record of the file
	old     Record

	source    tabular.Source
	rows      interface{ Check(mapping.Sample) error } // what was mapped
	tally     *report.Tally
	continues *continuation
	spill     *spill
	last      lastRows
	from, to  int64 // microseconds of the earliest and the latest event
	result    FileResult

	// Set if the events are read and not written; see EventFile.
	take   func(*tabular.Record, mapping.Event) error
	refuse func(Reject) error
}

func (f *fileImport) run(ctx context.Context) (err error) {
	o := f.options
	if f.in, err = openFile(ctx, f.file, o); err != nil {
		return err
	}
	defer f.in.Close()
	if f.rejects == nil {
		f.rejects = &rejects{}
		if !o.DryRun {
			f.rejects.path = filepath.Join(o.RejectsDir, f.in.Base()+"-"+f.in.SHA256()[:16]+".jsonl")
		}
		defer f.rejects.close()
	}
	if err := f.rejects.begin(); err != nil {
		return err
	}
	defer func() { f.spill.close() }()
	if err := f.learn(ctx); err != nil {
		return err
	}
	if err := f.remember(ctx); err != nil {
		return err
	}
	if o.Replace && !f.mapping.Items {
		return fmt.Errorf("%s was read as a log of events; only a catalog can be complete (--replace)", f.in.Name())
	}
	if err := f.settle(ctx); err != nil {
		return err
	}
	if o.RejectsFile == "" {
		if err := f.rejects.close(); err != nil {
			return err
		}
	}
	if err := f.check(); err != nil {
		return err
	}
	f.describe()
	if n := len(f.result.Report.Warnings); o.Strict && n > 0 {
		return StrictError{File: f.in.Name(), Warnings: f.result.Report.Warnings}
	}
	if o.DryRun {
		return nil
	}
	if err := f.claim(ctx); err != nil {
		return err
	}
	return f.write(ctx)
}

// learn reads the first rows and determines the meaning of the columns.
func (f *fileImport) learn(ctx context.Context) error {
	var names []string
	for range 3 { // keys of JSON lines may appear late
		source, format, err := f.in.Records(f.file.Format)
		if err != nil {
			return err
		}
		f.format = format
		names = append(names, source.Columns()[min(len(names), len(source.Columns())):]...)
		if err := source.Bind(mapping.Sampled(names)); err != nil {
			source.Close()
			return fmt.Errorf("%s: %w", f.in.Name(), err)
		}
		f.sample, err = mapping.NewSample(source, names)
		more := source.Columns()
		source.Close()
		if err != nil {
			return err
		}
		if len(more) <= len(names) {
			break
		}
		names = more
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.decide()
}

// decide determines the meaning of the columns by the sample.
func (f *fileImport) decide() (err error) {
	rules := f.file.Rules
	rules.Now = f.options.Now()
	if rules.Times, err = tabular.ParseTimeFormat(f.options.TimeFormat); err != nil {
		return err
	}
	if f.mapping, err = rules.Mapping(f.sample); err != nil {
		return fmt.Errorf("%s: %w", f.in.Name(), err)
	}
	return nil
}

// remember finds the record of an earlier import of the file, and prepares that
// of this one.
func (f *fileImport) remember(ctx context.Context) (err error) {
	format, kind := f.format, KindEvents
	if f.file.DataSet != "" {
		format = f.file.DataSet
	}
	if f.mapping.Items {
		kind = KindItems
	}
	f.record = Record{
		SchemaVersion: 1, SHA256: f.in.SHA256(), File: f.in.Base(), Bytes: f.in.Size(), FirstImportedAt: micros(f.options.Now()),
		Kind: kind, Format: format, Columns: f.mapping.Names(f.sample.Names), Reading: f.reading(),
	}
	if kind == KindEvents {
		f.record.EventType = f.mapping.EventType
	}
	f.old, f.again = f.record, false
	if f.store == nil {
		return nil
	}
	old, err := lookUp(ctx, f.store, f.record)
	if errors.Is(err, recsys.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	f.know(old)
	return nil
}

// know uses the record of an earlier import of the file.
func (f *fileImport) know(old Record) {
	f.old, f.again = old, true
	f.record.FirstImportedAt, f.record.File = old.FirstImportedAt, old.File
}

// reading returns the options that change how rows are read, for the record.
func (f *fileImport) reading() map[string]string {
	r := map[string]string{}
	for name, value := range map[string]string{
		"ids": f.options.IDs, "zero_time": f.options.ZeroTime, "time_format": f.options.TimeFormat, "encoding": f.options.Encoding,
	} {
		if value != "" {
			r[name] = value
		}
	}
	maps.Copy(r, f.mapping.Reading())
	if len(r) == 0 {
		return nil
	}
	return r
}

// settle reads all rows. It reads them again if late rows have columns that change
// the meaning of the file.
func (f *fileImport) settle(ctx context.Context) error {
	for {
		if err := f.open(); err != nil {
			return err
		}
		err := f.read(ctx)
		names := f.source.Columns()
		f.dialect = f.source.Dialect()
		f.source.Close()
		if err != nil {
			return err
		}
		if err := f.in.Unchanged(); err != nil {
			return err
		}
		if len(names) <= len(f.sample.Names) {
			return f.shorten(ctx)
		}
		before := f.mapping
		f.sample.Names = names
		if err := f.decide(); err != nil {
			return err
		}
		if f.mapping.Equal(&before) {
			return nil
		}
		if err := f.remember(ctx); err != nil {
			return err
		}
	}
}

// open prepares to read the file from its first row.
func (f *fileImport) open() (err error) {
	f.spill.close()
	f.spill = newSpill(f.options.TempDir, f.options.SpillBytes)
	f.tally = report.New(f.options.Interest)
	if err := f.rejects.reset(); err != nil {
		return err
	}
	f.result = FileResult{
		File: f.in.Name(), SHA256: f.in.SHA256(), FirstImportedAt: f.record.FirstImportedAt, Kind: f.record.Kind,
		Format: f.record.Format, Columns: f.record.Columns, EventType: f.record.EventType,
	}
	if f.again && f.record.sameMapping(f.old) {
		f.continues = continuingAgain(f.old.Continues)
	} else {
		f.continues = continuing(f.record, f.earlier)
	}
	if f.source, _, err = f.in.Records(f.file.Format); err != nil {
		return err
	}
	if err := f.source.Bind(f.mapping.Bindings(f.sample.Names)); err != nil {
		f.source.Close()
		return err
	}
	return nil
}

// check returns an error if the rows leave a choice of how to read them.
func (f *fileImport) check() error {
	if err := f.rows.Check(f.sample); err != nil {
		return fmt.Errorf("%s: %w", f.in.Name(), err)
	}
	conflicted, rows := f.tally.Conflicts()
	if f.options.IDs == "" && float64(conflicted) > maxConflicts*float64(rows) {
		return fmt.Errorf("%s: %d of %d rows have the id of another row in the column %q, but another user, item, type or time: it is not the id of an event (perhaps of an order), and a training would use one row of each; use --id-column none",
			f.in.Name(), conflicted, rows, f.result.Columns["id"])
	}
	return nil
}

// maxConflicts is the share of rows that may have an event id with other content:
// a defect of the producer. More mean that the id is not that of an event.
const maxConflicts = 0.001

// describe completes the report about the rows.
func (f *fileImport) describe() {
	r := f.tally.Report()
	r.Why, r.Columns, r.Dialect = f.why(), f.mapping.Uses(f.sample), f.dialect
	var known []report.Fingerprint
	for _, e := range f.earlier {
		if e.Fingerprint != nil && e.SHA256 != f.in.SHA256() {
			known = append(known, *e.Fingerprint)
		}
	}
	r.Matches = f.tally.Match(known)
	r.Warnings = f.tally.Warn(&r)
	warn := func(code, format string, args ...any) {
		r.Warnings = append(r.Warnings, report.Warning{Code: code, Message: fmt.Sprintf(format, args...)})
	}
	if c := f.continues.cut; c != "" && f.result.Rows > f.continues.rows() {
		warn(report.CutImport, "the earlier import of %s ended inside a row: its last event may be wrong; remove it with `recflow imports remove`, and import this file again", c)
	}
	if f.result.Rejected > 0 {
		warn(report.RejectedRows, "%d of %d rows were rejected", f.result.Rejected, f.result.Rows)
	}
	if f.result.Rows == 0 {
		warn(report.NoRows, "the file has no rows below its header")
	}
	report.Sort(r.Warnings)
	f.result.Report = &r
	f.result.Continues = f.continues.text()
}

// why returns why the file was taken for events or items.
func (f *fileImport) why() string {
	switch r := f.file.Rules; {
	case r.Known != nil:
		return "the data set is known"
	case r.Recipe:
		return "the recipe says so"
	case r.Items || r.Events:
		return "a flag says so"
	case f.mapping.Items:
		return "it has columns that describe an item and none of a user"
	}
	return "it has columns of a user and an item"
}

// claim makes f.record the record of the file before its first object is written.
// If another process was faster, its time of the first import counts.
func (f *fileImport) claim(ctx context.Context) error {
	if f.again {
		return nil
	}
	f.record.Continues = f.continues.found
	old, again, err := claim(ctx, f.store, f.record)
	if err != nil || !again {
		return err
	}
	f.know(old)
	return f.settle(ctx)
}

// write puts the file's objects into the bucket and completes its record.
func (f *fileImport) write(ctx context.Context) error {
	// The bucket may have objects of another mapping. This is recorded first,
	// so that the next import can continue after an interruption.
	f.record.Continues = f.continues.found
	if f.mapping.Items {
		f.date()
	}
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
		err = w.items(ctx, f.spill, f.last, f.record.catalogTime())
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
	if f.old.Complete && f.record.sameMapping(f.old) && f.old.reaches(f.record) && f.record.catalogTime().importedAt == f.old.catalogTime().importedAt {
		return nil
	}
	f.record.Complete, f.record.Replacing = true, false
	f.record.Rows, f.record.Accepted, f.record.Rejected, f.record.NoTime = f.result.Rows, f.result.Accepted, f.result.Rejected, f.result.NoTime
	f.record.Prefix, f.record.PrefixButLast, f.record.Checkpoints = f.tally.Prefix(), f.tally.PrefixButLast(), f.tally.Checkpoints()
	fingerprint := f.tally.Fingerprint()
	f.record.Fingerprint, f.record.Report = &fingerprint, f.result.Report
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
