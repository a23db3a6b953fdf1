package activities

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/trainingrun"
)

// day is what was imported of one day.
type day struct {
	start       time.Time
	files       int
	bytes, rows int64
	guessed     bool // some of the rows are worked out from the bytes
	unreadable  []UnreadableFile
}

// within reports whether a training on the range reads the day.
func (d *day) within(r Range) bool {
	return d.start.Before(r.To) && d.start.AddDate(0, 0, 1).After(r.From)
}

// imported is one object of imported events.
type imported struct {
	awsclient.Object
	day     *day
	counted bool
	rows    int64  // when it was counted
	damage  string // why it cannot be counted; empty when it was not tried
}

// importedDays lists what was imported, in order of days.
func (a *Activities) importedDays(ctx context.Context) ([]*day, error) {
	days, objects, err := a.listImported(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.countRows(ctx, objects[:min(len(objects), mostFooters)]); err != nil {
		return nil, err
	}
	var rows, bytes int64
	for _, o := range objects {
		if o.counted {
			rows, bytes = rows+o.rows, bytes+o.Size
		}
	}
	for _, o := range objects {
		d := o.day
		d.files++
		d.bytes += o.Size
		if o.counted {
			d.rows += o.rows
			continue
		}
		d.guessed = true
		d.rows += int64(float64(o.Size) * float64(rows) / float64(max(1, bytes)))
		if o.damage != "" {
			d.unreadable = append(d.unreadable, UnreadableFile{Key: o.Key, Reason: o.damage})
		}
	}
	return days, nil
}

// listImported lists the objects of imported events, in order of keys, and their days.
func (a *Activities) listImported(ctx context.Context) (days []*day, objects []*imported, err error) {
	byDay := map[string]*day{}
	for o, err := range a.S3.List(ctx, "raw/interactions/") {
		if err != nil {
			return nil, nil, err
		}
		text, ok := dayOf(o.Key)
		if !ok {
			continue
		}
		if byDay[text] == nil {
			start, err := time.Parse(time.DateOnly, text)
			if err != nil {
				continue // the training reports it
			}
			byDay[text] = &day{start: start}
			days = append(days, byDay[text])
		}
		objects = append(objects, &imported{Object: o, day: byDay[text]})
	}
	slices.SortFunc(days, func(a, b *day) int { return cmp.Compare(a.start.Unix(), b.start.Unix()) })
	return days, objects, nil
}

func dayOf(key string) (string, bool) {
	text, ok := strings.CutPrefix(key, "raw/interactions/dt=")
	if !ok || !strings.HasSuffix(key, ".parquet") {
		return "", false
	}
	text, _, ok = strings.Cut(text, "/")
	return text, ok
}

// countRows counts the rows of each object, or says why it cannot be.
func (a *Activities) countRows(ctx context.Context, objects []*imported) error {
	// Only footers beyond the first look take of the room: together they stay in memory
	// that a single one may need.
	room := semaphore.NewWeighted(trainingrun.MaxFooterBytes)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, o := range objects {
		group.Go(func() error { return a.countRowsOf(ctx, o, room) })
	}
	return group.Wait()
}

// countRowsOf counts the rows of an object by its footer. Its error is about the
// storage and worth another attempt.
func (a *Activities) countRowsOf(ctx context.Context, o *imported, room *semaphore.Weighted) error {
	tail, err := a.readEnd(ctx, o.Object, footerTail)
	if err != nil {
		return err
	}
	length, damage := trainingrun.FooterLength(tail, o.Size)
	if damage != nil {
		o.damage = damage.Error()
		return nil
	}
	if length+trainingrun.FooterTail > int64(len(tail)) {
		if err := room.Acquire(ctx, length); err != nil {
			return err
		}
		defer room.Release(length)
		if tail, err = a.readEnd(ctx, o.Object, length+trainingrun.FooterTail); err != nil {
			return err
		}
	}
	end := int64(len(tail)) - trainingrun.FooterTail
	rows, damage := trainingrun.FooterRows(tail[end-length : end])
	if damage != nil {
		o.damage = damage.Error()
		return nil
	}
	o.rows, o.counted = rows, true
	return nil
}

// readEnd reads the last n bytes of an object, or all when it is shorter.
func (a *Activities) readEnd(ctx context.Context, o awsclient.Object, n int64) ([]byte, error) {
	n = min(n, o.Size)
	r, err := a.S3.Open(ctx, o.Key, o.Size-n)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.Object().Size != o.Size {
		return nil, fmt.Errorf("read %s: it was replaced since it was listed", o.Key)
	}
	end := make([]byte, n)
	if _, err := io.ReadFull(r, end); err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Key, err)
	}
	return end, nil
}
