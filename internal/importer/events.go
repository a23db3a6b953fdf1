package importer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/recflow/recflow/internal/importer/datasets"
	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// EventFile is a file whose events are read, to be sent to the stream. Ids and
// times are the same as those of an import of the file.
type EventFile struct {
	store   Store
	file    datasets.File
	options Options
	in      *tabular.File
	first   time.Time // time of the file's first import, once it is known
}

// Found is an event of a file, with its position.
type Found struct {
	recsys.Event
	Row  int64 // 1-based data row
	Line int64 // 1-based line where it starts; 0 in a format without lines
}

// OpenEvents opens and hashes a file, or standard input ("-"), which is copied
// to a temporary file. store may be nil if every row has a time.
func OpenEvents(ctx context.Context, store Store, path string, o Options) (*EventFile, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	files, _, err := plan(path, o)
	if err != nil {
		return nil, err
	}
	if len(files) != 1 || files[0].Path != path {
		return nil, fmt.Errorf("%s is a folder; name a file of events", path)
	}
	return openEvents(ctx, store, files[0], o)
}

// OpenEventFiles opens every file of a file, a folder or standard input. Files
// of items have no events. The caller must close the returned files.
func OpenEventFiles(ctx context.Context, store Store, path string, o Options) ([]*EventFile, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	files, _, err := plan(path, o)
	if err != nil {
		return nil, err
	}
	var opened []*EventFile
	for _, file := range files {
		if file.Rules.Items {
			continue
		}
		f, err := openEvents(ctx, store, file, o)
		if err != nil {
			for _, f := range opened {
				f.Close()
			}
			return nil, err
		}
		opened = append(opened, f)
	}
	return opened, nil
}

// OpenCompleteJourneyEvents opens the purchase lines of the data set in the
// folder that datasets.FetchCompleteJourney returned.
func OpenCompleteJourneyEvents(ctx context.Context, store Store, folder string, o Options) (*EventFile, error) {
	return openEvents(ctx, store, datasets.NewJourney(folder).Purchases(o.EventType), o)
}

func openEvents(ctx context.Context, store Store, file datasets.File, o Options) (*EventFile, error) {
	o.DryRun = true
	o = o.withDefaults()
	in, err := openFile(ctx, file, o)
	if err != nil {
		return nil, err
	}
	return &EventFile{store: store, file: file, options: o, in: in}, nil
}

// Close closes the file.
func (f *EventFile) Close() error { return f.in.Close() }

// Name returns the name of the file for messages.
func (f *EventFile) Name() string { return f.in.Name() }

// Imported returns the bucket's record of the file, or recsys.ErrNotFound.
func (f *EventFile) Imported(ctx context.Context) (Record, error) {
	if f.store == nil {
		return Record{}, fmt.Errorf("no bucket is configured to look up %s: %w", f.in.Name(), recsys.ErrNotFound)
	}
	return lookUp(ctx, f.store, f.record(Record{}))
}

// record returns the record that identifies the file.
func (f *EventFile) record(r Record) Record {
	r.SchemaVersion, r.SHA256, r.File, r.Bytes = 1, f.in.SHA256(), f.in.Base(), f.in.Size()
	return r
}

// firstTime returns the time of events whose row has none: the time at which the
// file was first imported or sent. If it never was, it records the current time in
// the bucket, for later reads of the file.
func (f *EventFile) firstTime(ctx context.Context, r Record) (time.Time, error) {
	if !f.first.IsZero() {
		return f.first, nil
	}
	if f.store == nil {
		return time.Time{}, errors.New("a row has no time; it gets the time of the file's first reading, which is stored in the bucket, but no bucket is configured (set RECFLOW_BUCKET)")
	}
	r = f.record(r)
	r.Kind, r.FirstImportedAt = KindEvents, micros(f.options.Now())
	old, _, err := claim(ctx, f.store, r)
	if err != nil {
		return time.Time{}, err
	}
	f.first = old.FirstImportedAt.UTC()
	return f.first, nil
}

// Lines calls each for every line of the file that is not blank, numbered as
// the rows of a JSON Lines file. The text is valid until each returns. Lines of
// more than 1 MiB are passed to refuse.
func (f *EventFile) Lines(ctx context.Context, each func(row, line int64, text []byte) error, refuse func(Reject) error) error {
	f.in.Encoding = "utf-8" // whatever it is
	return f.in.Lines(ctx, each, func(r tabular.Record) error {
		return refuse(Reject{File: f.in.Name(), Line: r.Line, Row: r.Row, Reason: r.Bad})
	})
}

// Events calls each for every event of the file, in order, and refuse for every
// row that cannot be one. It finds the columns as an import does. A file of
// items has no events. The file is read twice: what its rows mean is known after
// the last one.
func (f *EventFile) Events(ctx context.Context, each func(Found) error, refuse func(Reject) error) error {
	earlier, err := Records(ctx, f.store)
	if err != nil {
		return err
	}
	r := fileImport{store: f.store, file: f.file, options: f.options, in: f.in, earlier: earlier, rejects: &rejects{}}
	defer func() { r.spill.close() }()
	if err := r.learn(ctx); err != nil {
		return err
	}
	if r.mapping.Items {
		return nil
	}
	if err := r.remember(ctx); err != nil {
		return err
	}
	r.take = func(*tabular.Record, mapping.Event) error { return nil }
	if err := r.settle(ctx); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		return err
	}
	settled := r.continues.found
	r.record.Continues = settled
	r.refuse = refuse
	r.take = func(rec *tabular.Record, e mapping.Event) error {
		if !e.HasTime {
			if e.OccurredAt, err = f.firstTime(ctx, r.record); err != nil {
				return err
			}
		}
		return each(Found{Event: r.identified(e), Row: rec.Row, Line: rec.Line})
	}
	if err := r.open(); err != nil {
		return err
	}
	defer r.source.Close()
	r.continues = continuingAgain(settled)
	if err := r.read(ctx); err != nil {
		return err
	}
	return f.in.Unchanged()
}
