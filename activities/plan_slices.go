package activities

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/vectorstore"
)

// PlanSlicesInput names the ranges of trainings, in order of their ends.
type PlanSlicesInput struct {
	Ranges []Range `json:"ranges"`
}

// Range is a half-open range of time; a zero From begins with the first event.
type Range struct {
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to"`
}

// PlanSlicesResult says of each range what its training would read.
type PlanSlicesResult struct {
	Slices []SliceSize `json:"slices"`
}

// SliceSize is what a training would read, and how long it may take. What was
// imported is counted by whole days.
type SliceSize struct {
	Files   int     `json:"files"`
	Bytes   int64   `json:"bytes"`
	Rows    int64   `json:"rows"`
	Guessed bool    `json:"guessed,omitempty"` // some of the rows are worked out from the bytes
	Minutes float64 `json:"minutes,omitempty"` // 0: nothing like it ran before
}

const (
	// mostFooters are read to count rows; beyond, they follow from the bytes.
	mostFooters = 10_000
	footerTail  = 64 << 10
	// mostLineBytes of compressed delivered events are read to count their lines;
	// beyond, they follow from the bytes.
	mostLineBytes = 32 << 20
	// mostUnpacked bounds what one object is unpacked to.
	mostUnpacked = 256 << 20
	// lineBytes is what a delivered event takes, compressed, where none was counted.
	lineBytes = 90
	atOnce    = 16 // requests to S3
)

// day is what was imported of one day.
type day struct {
	start       time.Time
	files       int
	bytes, rows int64
}

// PlanSlices looks at the objects that trainings on the ranges would read. It
// changes nothing.
func (a *Activities) PlanSlices(ctx context.Context, in PlanSlicesInput) (PlanSlicesResult, error) {
	days, guessed, err := a.importedDays(ctx)
	if err != nil {
		return PlanSlicesResult{}, err
	}
	streamed, err := a.delivered(ctx)
	if err != nil {
		return PlanSlicesResult{}, err
	}
	past, err := a.Store.PastRuns(ctx, 50)
	if err != nil {
		return PlanSlicesResult{}, err
	}
	out := PlanSlicesResult{Slices: make([]SliceSize, len(in.Ranges))}
	for i, r := range in.Ranges {
		// Delivered events are read whole: when one occurred is not in its key.
		s := streamed
		s.Guessed = s.Guessed || guessed
		for _, d := range days {
			if d.start.Before(r.To) && d.start.AddDate(0, 0, 1).After(r.From) {
				s.Files += d.files
				s.Bytes += d.bytes
				s.Rows += d.rows
			}
		}
		s.Minutes = estimate(past, a.StoredMargin, s.Rows)
		out.Slices[i] = s
	}
	return out, nil
}

// delivered is what the stream has delivered: each line is an event.
func (a *Activities) delivered(ctx context.Context) (all SliceSize, err error) {
	var counted []awsclient.Object
	var toRead int64
	for o, err := range a.S3.List(ctx, "raw/events/") {
		if err != nil {
			return all, err
		}
		all.Files++
		all.Bytes += o.Size
		if toRead+o.Size <= mostLineBytes {
			counted, toRead = append(counted, o), toRead+o.Size
		}
	}
	lines := make([]int64, len(counted)) // -1: not to be told
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, o := range counted {
		group.Go(func() (err error) {
			lines[i], err = a.linesOf(groupCtx, o.Key)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return all, err
	}
	var countedBytes int64
	for i, n := range lines {
		if n >= 0 {
			all.Rows += n
			countedBytes += counted[i].Size
		}
	}
	if rest := all.Bytes - countedBytes; rest > 0 {
		all.Guessed = true
		perByte := 1.0 / lineBytes
		if all.Rows > 0 {
			perByte = float64(all.Rows) / float64(countedBytes)
		}
		all.Rows += int64(float64(rest) * perByte)
	}
	return all, nil
}

// linesOf counts the lines of a compressed object, -1 for one that is broken or
// unpacks to too much: the training will say what is wrong with it.
func (a *Activities) linesOf(ctx context.Context, key string) (int64, error) {
	r, err := a.S3.Open(ctx, key, 0)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	z, err := gzip.NewReader(r)
	if err != nil {
		return -1, ctx.Err()
	}
	defer z.Close()
	var lines, size int64
	last := byte('\n')
	buffer := make([]byte, 64<<10)
	for size <= mostUnpacked {
		n, err := z.Read(buffer)
		if n > 0 {
			lines += int64(bytes.Count(buffer[:n], []byte{'\n'}))
			size, last = size+int64(n), buffer[n-1]
		}
		switch {
		case errors.Is(err, io.EOF) && last != '\n':
			return lines + 1, nil
		case errors.Is(err, io.EOF):
			return lines, nil
		case err != nil:
			return -1, ctx.Err()
		}
	}
	return -1, nil
}

// estimate is the minutes of the past run with the most similar number of rows,
// or longer in proportion where there are more rows.
func estimate(past []vectorstore.PastRun, margin time.Duration, rows int64) float64 {
	if len(past) == 0 {
		return 0
	}
	distance := func(p vectorstore.PastRun) int64 { return max(p.Rows-rows, rows-p.Rows) }
	near := slices.MinFunc(past, func(a, b vectorstore.PastRun) int { return cmp.Compare(distance(a), distance(b)) })
	minutes := (near.ReadyAt.Sub(near.StoredTo) - margin).Minutes()
	if near.Rows > 0 {
		minutes *= max(1, float64(rows)/float64(near.Rows))
	}
	return max(0, minutes)
}

// importedDays lists what was imported, by day. guessed says that not all rows
// were counted.
func (a *Activities) importedDays(ctx context.Context) (days []day, guessed bool, err error) {
	byDay := map[string]*day{}
	var objects []awsclient.Object
	for o, err := range a.S3.List(ctx, "raw/interactions/") {
		if err != nil {
			return nil, false, err
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
		}
		byDay[text].files++
		byDay[text].bytes += o.Size
		objects = append(objects, o)
	}
	counted := objects[:min(len(objects), mostFooters)]
	rows := make([]int64, len(counted))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, o := range counted {
		group.Go(func() (err error) {
			rows[i], err = a.rowsOf(groupCtx, o)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, false, err
	}
	var totalRows, totalBytes int64
	for i, o := range counted {
		text, _ := dayOf(o.Key)
		byDay[text].rows += rows[i]
		totalRows, totalBytes = totalRows+rows[i], totalBytes+o.Size
	}
	for _, o := range objects[len(counted):] {
		text, _ := dayOf(o.Key)
		byDay[text].rows += int64(float64(o.Size) * float64(totalRows) / float64(max(1, totalBytes)))
	}
	for _, d := range byDay {
		days = append(days, *d)
	}
	return days, len(objects) > len(counted), nil
}

func dayOf(key string) (string, bool) {
	text, ok := strings.CutPrefix(key, "raw/interactions/dt=")
	if !ok || !strings.HasSuffix(key, ".parquet") {
		return "", false
	}
	text, _, ok = strings.Cut(text, "/")
	return text, ok
}

// rowsOf counts the rows of a Parquet object by its footer; one that cannot be
// read has none: the training will say what is wrong with it.
func (a *Activities) rowsOf(ctx context.Context, o awsclient.Object) (rows int64, err error) {
	defer func() {
		if recover() != nil {
			rows = 0
		}
	}()
	tail, err := a.readAt(ctx, o.Key, max(0, o.Size-footerTail))
	if err != nil {
		return 0, err
	}
	f, err := parquet.OpenFile(&footer{size: o.Size, tail: tail}, o.Size, parquet.SkipMagicBytes(true), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return 0, nil //nolint:nilerr // see above
	}
	return f.NumRows(), nil
}

func (a *Activities) readAt(ctx context.Context, key string, offset int64) ([]byte, error) {
	r, err := a.S3.Open(ctx, key, offset)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, footerTail))
}

// footer is an object of which only the end is known.
type footer struct {
	size int64
	tail []byte
}

var errBeyond = errors.New("not in the tail")

func (f *footer) ReadAt(p []byte, off int64) (int, error) {
	at := off - (f.size - int64(len(f.tail)))
	if at < 0 || at > int64(len(f.tail)) {
		return 0, fmt.Errorf("%w: offset %d", errBeyond, off)
	}
	n := copy(p, f.tail[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
