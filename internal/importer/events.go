package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// EventFile is a file whose events are read and not written: the stream sends
// them. Ids and times are those that an import of the file gives.
type EventFile struct {
	store   Store
	job     job
	options Options
	in      *input
	first   time.Time // of the file's first import, once it is known
}

// Found is an event of a file, with its place.
type Found struct {
	recsys.Event
	Row  int64 // 1-based data row
	Line int64 // 1-based line where it starts; 0 where a format has no lines
}

// OpenEvents opens a file, or standard input ("-"), which is copied to a
// temporary file, and hashes it. A store of nil will do while every row has a
// time.
func OpenEvents(ctx context.Context, store Store, path string, o Options) (*EventFile, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	jobs, _, err := plan(path, o)
	if err != nil {
		return nil, err
	}
	if len(jobs) != 1 || jobs[0].path != path {
		return nil, fmt.Errorf("%s is a folder; name a file of events", path)
	}
	return openEvents(ctx, store, jobs[0], o)
}

// OpenEventFiles opens every file of a file, a folder or standard input. Files of
// items give no events. The caller closes what is returned.
func OpenEventFiles(ctx context.Context, store Store, path string, o Options) ([]*EventFile, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	jobs, _, err := plan(path, o)
	if err != nil {
		return nil, err
	}
	jobs = slices.DeleteFunc(jobs, func(j job) bool { return j.request.items })
	var files []*EventFile
	for _, j := range jobs {
		f, err := openEvents(ctx, store, j, o)
		if err != nil {
			for _, f := range files {
				f.Close()
			}
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// OpenCompleteJourneyEvents opens the purchase lines of the data set in the folder
// that FetchCompleteJourney returned.
func OpenCompleteJourneyEvents(ctx context.Context, store Store, folder string, o Options) (*EventFile, error) {
	return openEvents(ctx, store, purchaseLines(folder, o.EventType), o)
}

func openEvents(ctx context.Context, store Store, j job, o Options) (*EventFile, error) {
	o.DryRun = true
	o = o.withDefaults()
	in, err := openInput(ctx, j.path, o.Stdin, o.TempDir, func(n int64) {
		o.Progress(Progress{File: j.path, Step: "hash", Done: n})
	})
	if err != nil {
		return nil, err
	}
	return &EventFile{store: store, job: j, options: o, in: in}, nil
}

// Close closes the file.
func (f *EventFile) Close() error { return f.in.file.Close() }

// Name is the file for messages.
func (f *EventFile) Name() string { return f.in.name }

// EventID is the id of the event of a row that brings none.
func (f *EventFile) EventID(row int64) string { return recsys.RowEventID(f.in.sha, row) }

// Imported is the bucket's record of the file, or recsys.ErrNotFound.
func (f *EventFile) Imported(ctx context.Context) (Record, error) {
	if f.store == nil {
		return Record{}, fmt.Errorf("no bucket knows of %s: %w", f.in.name, recsys.ErrNotFound)
	}
	return lookUp(ctx, f.store, f.record(Record{}))
}

// record identifies the file in a record.
func (f *EventFile) record(r Record) Record {
	r.SchemaVersion, r.SHA256, r.File, r.Bytes = 1, f.in.sha, f.in.base(), f.in.bytes
	return r
}

// FirstTime is the time of events whose row has none: that at which the file was
// imported or sent first. Where nobody has done so it is now, and recorded in the
// bucket: whoever reads the file again finds it.
func (f *EventFile) FirstTime(ctx context.Context) (time.Time, error) {
	return f.firstTime(ctx, Record{Format: formatJSONL, Columns: map[string]string{"user": "user_id", "item": "item_id"}, EventType: recsys.Click})
}

func (f *EventFile) firstTime(ctx context.Context, r Record) (time.Time, error) {
	if !f.first.IsZero() {
		return f.first, nil
	}
	if f.store == nil {
		return time.Time{}, errors.New("a row has no time; the time of its first reading is kept in the bucket, and there is none (set RECFLOW_BUCKET)")
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

// JSONLines reports whether the file holds JSON lines, by its first bytes unless
// the options say so.
func (f *EventFile) JSONLines() (bool, error) {
	if f.job.format != formatAuto {
		return f.job.format == formatJSONL, nil
	}
	text, err := f.text()
	if err != nil {
		return false, err
	}
	defer text.Close()
	head, err := text.Peek(4096)
	if len(head) == 0 && !errors.Is(err, io.EOF) {
		return false, err
	}
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte(byteOrderMark)), " \t\r\n")
	return bytes.HasPrefix(head, []byte("{")), nil
}

// text is the file unpacked, from its beginning.
func (f *EventFile) text() (textStream, error) {
	if _, err := f.in.file.Seek(0, io.SeekStart); err != nil {
		return textStream{}, err
	}
	var head [4]byte
	n, err := f.in.file.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return textStream{}, err
	}
	text, err := unpacked(f.in, head[:n])
	if err != nil {
		return text, fmt.Errorf("%s: %w", f.in.name, err)
	}
	return text, nil
}

// Lines calls each for every line of the file that is not blank, numbered as the
// rows of a file of JSON lines are. The text is valid until each returns. Lines
// of more than 1 MiB go to refuse.
func (f *EventFile) Lines(ctx context.Context, each func(row, line int64, text []byte) error, refuse func(Reject) error) error {
	text, err := f.text()
	if err != nil {
		return err
	}
	defer text.Close()
	if head, _ := text.Peek(len(byteOrderMark)); string(head) == byteOrderMark {
		_, _ = text.Discard(len(byteOrderMark)) // was peeked
	}
	w := newWindow(text)
	for row := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := w.line
		line, size, err := w.physical()
		switch {
		case errors.Is(err, io.EOF):
			return f.in.unchanged()
		case errors.Is(err, errTooLong):
			row++
			if err := refuse(Reject{File: f.in.name, Line: at, Row: row, Reason: err.Error()}); err != nil {
				return err
			}
			continue
		case err != nil:
			return fmt.Errorf("%s:%d: %w", f.in.name, at, err)
		}
		w.advance(size, 1)
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		row++
		if err := each(row, at, line); err != nil {
			return err
		}
	}
}

// Events calls each for every event of the file, in its order, and refuse for
// every row that cannot be one. The columns are found as an import finds them.
// A file of items gives none.
func (f *EventFile) Events(ctx context.Context, each func(Found) error, refuse func(Reject) error) error {
	if _, err := f.in.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	r := fileImport{store: f.store, job: f.job, options: f.options, in: f.in, refuse: refuse}
	var format string
	var err error
	if r.source, format, err = f.in.open(f.job.format); err != nil {
		return err
	}
	defer r.source.Close()
	if err := r.decide(format); err != nil {
		return fmt.Errorf("%s: %w", f.in.name, err)
	}
	if r.mapping.items {
		return nil
	}
	if err := r.remember(ctx); err != nil {
		return err
	}
	r.take = func(rec *record, e event) error {
		if rec.cells[fieldTime].kind == cellAbsent {
			if e.OccurredAt, err = f.firstTime(ctx, r.record); err != nil {
				return err
			}
		}
		return each(Found{Event: r.sample(e), Row: rec.row, Line: rec.line})
	}
	if err := r.read(ctx); err != nil {
		return err
	}
	return f.in.unchanged()
}
