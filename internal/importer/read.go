package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// checkEvery is the number of rows between checks for cancellation and reports
// of progress.
const checkEvery = 1024

// read reads the file row by row into the spill and the rejects.
func (f *fileImport) read(ctx context.Context) error {
	accept := f.readEvent()
	if f.mapping.Items {
		accept = f.readItem()
	}
	rec := mapping.NewRecord()
	for {
		if f.result.Rows%checkEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			f.options.Progress(Progress{File: f.file.Path, Step: "read", Done: f.in.BytesRead(), Total: f.in.Size(), Rows: f.result.Rows})
		}
		err := f.source.Next(rec)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return unreadable(f.in.Name(), f.source, err)
		}
		f.result.Rows++
		why := rec.Bad
		if why == "" {
			if why, err = accept(rec); err != nil {
				return err
			}
		}
		if why == mapping.Skipped {
			f.result.Skipped++
			f.tally.Rejected()
		} else if why != "" {
			if err := f.reject(rec, why); err != nil {
				return err
			}
		}
		f.compare()
	}
	if f.result.Kind == KindEvents && f.result.Accepted+f.result.Continued > 0 {
		f.result.From, f.result.To = timeAt(f.from), timeAt(f.to)
	}
	for i := range f.file.MoreItems {
		f.result.Rows++
		if err := f.keepItem(f.result.Rows, &f.file.MoreItems[i]); err != nil {
			return err
		}
	}
	return nil
}

// compare compares the rows so far with earlier imports, and discards those that an
// earlier import has.
func (f *fileImport) compare() {
	r := &f.result
	if !f.continues.due(r.Rows) || !f.continues.compare(r.Rows, f.tally.Prefix()) {
		return
	}
	f.spill.clear()
	r.Continued, r.Accepted = r.Continued+r.Accepted, 0
}

// unreadable adds the position to an error that ends a file.
func unreadable(name string, s tabular.Source, err error) error {
	line, row := s.Position()
	if line == 0 {
		return fmt.Errorf("%s: after row %d: %w", name, row, err)
	}
	return fmt.Errorf("%s:%d: %w", name, line, err)
}

func (f *fileImport) reject(rec *tabular.Record, why string) error {
	f.result.Rejected++
	f.tally.Rejected()
	x := Reject{File: f.in.Name(), Line: rec.Line, Row: rec.Row, Reason: why, Text: f.source.RawText()}
	if f.refuse != nil {
		return f.refuse(x)
	}
	if len(f.result.FirstRejects) < shownRejects {
		f.result.FirstRejects = append(f.result.FirstRejects, x)
	}
	return f.rejects.add(x)
}

// readEvent returns a function that adds a record to the spill as an event, or
// returns why it cannot.
func (f *fileImport) readEvent() func(*tabular.Record) (string, error) {
	mapper := f.mapping.NewEventMapper(f.record.FirstImportedAt, f.options.ZeroTime)
	f.rows = mapper
	until := f.options.Until
	var e mapping.Event
	content := f.options.IDs == ContentIDs
	encode := func(b []byte) []byte { return appendEvent(b, &e) }
	return func(rec *tabular.Record) (why string, err error) {
		if e, why = mapper.Map(rec); why != "" {
			return why, nil
		}
		f.tally.Event(&e)
		if content {
			e.HasID, e.EventID = true, recsys.ContentEventID(&e.Event, e.HasTime)
		}
		if !until.IsZero() && !e.OccurredAt.Before(until) {
			f.result.AfterUntil++
			return "", nil
		}
		r := &f.result
		again := f.continues.again(e.Row)
		if again {
			r.Continued++
		} else {
			r.Accepted++
		}
		if !e.HasTime {
			r.NoTime++
		}
		if r.Accepted+r.Continued == 1 {
			f.from, f.to = e.At, e.At
		}
		f.from, f.to = min(f.from, e.At), max(f.to, e.At)
		if f.file.Watch != nil {
			f.file.Watch(&e)
		}
		if f.take != nil {
			return "", f.take(rec, e)
		}
		if len(r.SampleEvents) < shownRows {
			r.SampleEvents = append(r.SampleEvents, f.identified(e))
		}
		if again {
			e.HasID, e.EventID = true, f.continues.eventID(f.in.SHA256(), e.Row)
		}
		err = f.spill.add(dayOf(e.At), encode)
		r.Days = len(f.spill.parts)
		return "", err
	}
}

func (f *fileImport) identified(e mapping.Event) recsys.Event {
	out := e.Clone()
	if !e.HasID {
		out.EventID = f.continues.eventID(f.in.SHA256(), e.Row)
	}
	return out.Event
}

func timeAt(at int64) *time.Time {
	t := time.UnixMicro(at).UTC()
	return &t
}

// readItem returns a function that adds a record to the spill as an item, or
// returns why it cannot.
func (f *fileImport) readItem() func(*tabular.Record) (string, error) {
	f.last = newLastRows()
	toItem, ids := f.mapping.NewItemMapper(f.file.Item)
	f.rows = ids
	return func(rec *tabular.Record) (string, error) {
		item, why := toItem(rec)
		if why != "" {
			return why, nil
		}
		f.tally.Item(&item)
		return "", f.keepItem(rec.Row, &item)
	}
}

func (f *fileImport) keepItem(row int64, item *recsys.Item) error {
	r := &f.result
	if f.last.set(item.ItemID, row) {
		r.Replaced++
	} else {
		r.Accepted++
	}
	if len(r.SampleItems) < shownRows {
		r.SampleItems = append(r.SampleItems, *item)
	}
	return f.spill.add(0, func(b []byte) []byte { return appendItem(b, row, item) })
}
