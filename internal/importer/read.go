package importer

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// checkEvery rows a long read looks whether it is still wanted and says how far
// it has come.
const checkEvery = 1024

// read takes the file row by row to the spill and the rejects.
func (f *fileImport) read(ctx context.Context) error {
	accept := f.readEvent()
	if f.mapping.items {
		accept = f.readItem()
	}
	var rec record
	for {
		if f.result.Rows%checkEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			f.options.Progress(Progress{File: f.job.path, Step: "read", Done: f.in.read.Load(), Total: f.in.bytes, Rows: f.result.Rows})
		}
		err := f.source.next(&rec)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return unreadable(f.in.name, f.source, err)
		}
		f.result.Rows++
		why := rec.bad
		if why == "" {
			if why, err = accept(&rec); err != nil {
				return err
			}
		}
		if why != "" {
			if err := f.reject(&rec, why); err != nil {
				return err
			}
		}
	}
	for i := range f.job.more {
		f.result.Rows++
		if err := f.keepItem(f.result.Rows, &f.job.more[i]); err != nil {
			return err
		}
	}
	return nil
}

func (f *fileImport) reject(rec *record, why string) error {
	f.result.Rejected++
	x := Reject{File: f.in.name, Line: rec.line, Row: rec.row, Reason: why, Text: f.source.rawText()}
	if f.refuse != nil {
		return f.refuse(x)
	}
	if len(f.result.FirstRejects) < shownRejects {
		f.result.FirstRejects = append(f.result.FirstRejects, x)
	}
	return f.rejects.add(x)
}

// readEvent returns what takes a record to the spill as an event, or says why
// it cannot be one.
func (f *fileImport) readEvent() func(*record) (string, error) {
	shaper := &eventShaper{event: f.mapping.event, first: f.record.FirstImportedAt}
	until := f.options.Until
	var from, to int64
	var e event
	encode := func(b []byte) []byte { return appendEvent(b, &e) }
	return func(rec *record) (why string, err error) {
		if e, why = shaper.shape(rec); why != "" {
			return why, nil
		}
		if !until.IsZero() && !e.OccurredAt.Before(until) {
			f.result.AfterUntil++
			return "", nil
		}
		r := &f.result
		r.Accepted++
		if rec.cells[fieldTime].kind == cellAbsent {
			r.NoTime++
		}
		if r.Accepted == 1 || e.at < from {
			from = e.at
			r.From = timeAt(from)
		}
		if r.Accepted == 1 || e.at > to {
			to = e.at
			r.To = timeAt(to)
		}
		if f.job.watch != nil {
			f.job.watch(&e)
		}
		if f.take != nil {
			return "", f.take(rec, e)
		}
		if len(r.SampleEvents) < shownRows {
			r.SampleEvents = append(r.SampleEvents, f.sample(e))
		}
		err = f.spill.add(dayOf(e.at), encode)
		r.Days = len(f.spill.parts)
		return "", err
	}
}

func (f *fileImport) sample(e event) recsys.Event {
	out := clone(e)
	if !e.hasID {
		out.EventID = recsys.RowEventID(f.in.sha, e.row)
	}
	return out
}

func timeAt(at int64) *time.Time {
	t := time.UnixMicro(at).UTC()
	return &t
}

// readItem returns what takes a record to the spill as an item, or says why it
// cannot be one.
func (f *fileImport) readItem() func(*record) (string, error) {
	f.last = newLastRows()
	shape := f.job.shape
	if shape == nil {
		shape = plainItem
	}
	return func(rec *record) (string, error) {
		item, why := shape(rec)
		if why != "" {
			return why, nil
		}
		return "", f.keepItem(rec.row, &item)
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
