// Package rawdata lists and counts the events under raw/ in the bucket: what was
// imported, as Parquet by day under raw/interactions/, and what the stream
// delivered, as compressed lines under raw/events/. It only reads.
package rawdata

import (
	"context"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/awsclient"
)

// Range is a half-open range of time; a zero From begins with the first event.
type Range struct {
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to"`
}

// Size is what a training on a range reads. What was imported is counted by
// whole days.
type Size struct {
	Files      int   `json:"files"`
	Unreadable int   `json:"unreadable,omitempty"` // of the files
	Bytes      int64 `json:"bytes"`
	Rows       int64 `json:"rows"`
	Guessed    bool  `json:"guessed,omitempty"` // some of the rows are estimated from the bytes
}

func (s *Size) add(o Size) {
	s.Files += o.Files
	s.Unreadable += o.Unreadable
	s.Bytes += o.Bytes
	s.Rows += o.Rows
	s.Guessed = s.Guessed || o.Guessed
}

// File is an object whose rows cannot be counted, such as a damaged one.
type File struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

// Plan is what trainings on ranges read.
type Plan struct {
	Sizes          []Size // of the ranges, in their order
	Unreadable     []File // of all ranges, in order of keys by area, at most MaxNamed
	UnreadableMore int    // how many beyond those
}

// MaxNamed is how many unreadable files a plan names.
const MaxNamed = 20

// Measure counts what trainings on the ranges read. A damaged object is named in
// the plan and fails nothing: the training that reads it reports what is wrong.
func Measure(ctx context.Context, s3 *awsclient.S3, ranges []Range) (Plan, error) {
	plan := Plan{Sizes: make([]Size, len(ranges))}
	for _, a := range areas(s3) {
		days, err := a.measure(ctx, s3)
		if err != nil {
			return Plan{}, err
		}
		for _, d := range days {
			read := false
			for i, r := range ranges {
				if d.within(r) {
					plan.Sizes[i].add(d.Size)
					read = true
				}
			}
			if read {
				plan.name(d.unreadable)
			}
		}
	}
	return plan, nil
}

func (p *Plan) name(files []File) {
	n := min(len(files), MaxNamed-len(p.Unreadable))
	p.Unreadable = append(p.Unreadable, files[:n]...)
	p.UnreadableMore += len(files) - n
}

// Empty reports whether a training on the range has no object to read. It does
// not open any: a damaged object is one to read.
func Empty(ctx context.Context, s3 *awsclient.S3, r Range) (bool, error) {
	for _, a := range areas(s3) {
		for o, err := range s3.List(ctx, a.prefix) {
			if err != nil {
				return false, err
			}
			start, ok := a.dayOf(o.Key)
			if !ok {
				continue
			}
			if (&day{start: start}).within(r) {
				return false, nil
			}
			if !start.Before(r.To) {
				break // keys are in order of days
			}
		}
	}
	return true, nil
}

// day is what an area holds of one day, or all of it where keys do not tell when
// events occurred.
type day struct {
	Size
	start      time.Time // zero: of any day
	uncounted  int64     // bytes of objects whose rows are estimated
	unreadable []File
}

// within reports whether a training on the range reads the day.
func (d *day) within(r Range) bool {
	return d.start.IsZero() || d.start.Before(r.To) && d.start.AddDate(0, 0, 1).After(r.From)
}

// measure lists an area, counts the rows of its first objects, within the
// budget, and estimates the others from their bytes. The days are in order.
func (a area) measure(ctx context.Context, s3 *awsclient.S3) ([]*day, error) {
	days, objects, err := a.list(ctx, s3)
	if err != nil {
		return nil, err
	}
	if err := a.countAll(ctx, objects); err != nil {
		return nil, err
	}
	var rows, bytes int64
	for _, o := range objects {
		d := o.day
		d.Files++
		d.Bytes += o.Size
		if o.counted {
			rows, bytes = rows+o.rows, bytes+o.Size
			d.Rows += o.rows
			continue
		}
		d.Guessed = true
		d.uncounted += o.Size
		if o.damage != "" {
			d.Unreadable++
			d.unreadable = append(d.unreadable, File{Key: o.Key, Reason: o.damage})
		}
	}
	perByte := a.perByte
	if rows > 0 {
		perByte = float64(rows) / float64(bytes)
	}
	for _, d := range days {
		d.Rows += int64(float64(d.uncounted) * perByte)
	}
	return days, nil
}

// list lists the objects of an area, in order of keys, and their days.
func (a area) list(ctx context.Context, s3 *awsclient.S3) (days []*day, objects []*object, err error) {
	byStart := map[time.Time]*day{}
	for o, err := range s3.List(ctx, a.prefix) {
		if err != nil {
			return nil, nil, err
		}
		start, ok := a.dayOf(o.Key)
		if !ok {
			continue // the training reports it
		}
		if byStart[start] == nil {
			byStart[start] = &day{start: start}
			days = append(days, byStart[start])
		}
		objects = append(objects, &object{Object: o, day: byStart[start]})
	}
	slices.SortFunc(days, func(a, b *day) int { return a.start.Compare(b.start) })
	return days, objects, nil
}
