// Package rawdata lists and counts the events under raw/ in the bucket:
// imported ones, as Parquet by day under raw/interactions/, and those that the
// stream delivered, as compressed lines under raw/events/. It only reads.
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

// Size is the input of a training on a range. Imported events are counted by
// whole days.
type Size struct {
	Files      int   `json:"files"`
	Unreadable int   `json:"unreadable,omitempty"` // number of unreadable files
	Bytes      int64 `json:"bytes"`
	Rows       int64 `json:"rows"`
	Estimated  bool  `json:"estimated,omitempty"` // some of the rows are estimated from the bytes
}

func (s *Size) add(o Size) {
	s.Files += o.Files
	s.Unreadable += o.Unreadable
	s.Bytes += o.Bytes
	s.Rows += o.Rows
	s.Estimated = s.Estimated || o.Estimated
}

// File is an object whose rows cannot be counted, such as a damaged one.
type File struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

// Plan is the input of trainings on ranges.
type Plan struct {
	Sizes          []Size // one per range, in their order
	Unreadable     []File // in all ranges, ordered by area and key, at most MaxNamed
	UnreadableMore int    // number of further unreadable files
}

// MaxNamed is the maximum number of unreadable files in a plan.
const MaxNamed = 20

// Measure counts the input of trainings on the ranges. A damaged object is
// listed in the plan and is not an error: the training reports what is wrong
// with it.
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

// Empty reports whether a training on the range has no object to read. It opens
// no objects: a damaged one counts.
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
				break // keys are in chronological order
			}
		}
	}
	return true, nil
}

// day is the objects of one day, or of the whole area if its keys do not
// contain a day.
type day struct {
	Size
	start      time.Time // zero: any day
	uncounted  int64     // bytes of objects whose rows are estimated
	unreadable []File
}

// within reports whether a training on the range reads the day.
func (d *day) within(r Range) bool {
	return d.start.IsZero() || d.start.Before(r.To) && d.start.AddDate(0, 0, 1).After(r.From)
}

// measure lists an area, counts the rows of its first objects within the
// budget, and estimates the others from their bytes. It returns the days in
// order.
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
		d.Estimated = true
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

// list lists the objects of an area, ordered by key, and their days.
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
