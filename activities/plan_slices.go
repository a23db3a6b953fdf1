package activities

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"slices"
	"time"

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
	Slices         []SliceSize      `json:"slices"`
	Unreadable     []UnreadableFile `json:"unreadable,omitempty"`      // of all ranges, in order of keys, at most mostUnreadable
	UnreadableMore int              `json:"unreadable_more,omitempty"` // how many beyond those
}

// UnreadableFile is an object whose rows cannot be counted, such as a damaged one.
type UnreadableFile struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

// SliceSize is what a training would read, and how long it may take. What was
// imported is counted by whole days.
type SliceSize struct {
	Files      int     `json:"files"`
	Unreadable int     `json:"unreadable,omitempty"` // of the files
	Bytes      int64   `json:"bytes"`
	Rows       int64   `json:"rows"`
	Guessed    bool    `json:"guessed,omitempty"` // some of the rows are worked out from the bytes
	Minutes    float64 `json:"minutes,omitempty"` // 0: nothing like it ran before
}

const (
	// mostFooters are read to count rows; beyond, they follow from the bytes.
	mostFooters = 10_000
	// footerTail is read of each object at first: nearly all footers are shorter.
	footerTail = 64 << 10
	// mostUnreadable objects that cannot be read are named: a result is to stay small.
	mostUnreadable = 20
	// mostLineBytes of compressed delivered events are read to count their lines;
	// beyond, they follow from the bytes.
	mostLineBytes = 32 << 20
	// mostUnpacked bounds what one object is unpacked to.
	mostUnpacked = 256 << 20
	// lineBytes is what a delivered event takes, compressed, where none was counted.
	lineBytes = 90
	atOnce    = 16 // requests to S3
)

// PlanSlices looks at the objects that trainings on the ranges would read. It
// changes nothing. An object that is damaged is named in the result and fails
// nothing: the training that reads it says what is wrong.
func (a *Activities) PlanSlices(ctx context.Context, in PlanSlicesInput) (PlanSlicesResult, error) {
	days, err := a.importedDays(ctx)
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
		for _, d := range days {
			if d.within(r) {
				s.Files += d.files
				s.Unreadable += len(d.unreadable)
				s.Bytes += d.bytes
				s.Rows += d.rows
				s.Guessed = s.Guessed || d.guessed
			}
		}
		s.Minutes = estimate(past, a.StoredMargin, s.Rows)
		out.Slices[i] = s
	}
	for _, d := range days {
		if slices.ContainsFunc(in.Ranges, d.within) {
			out.name(d.unreadable)
		}
	}
	return out, nil
}

// name adds objects that cannot be read.
func (r *PlanSlicesResult) name(files []UnreadableFile) {
	n := min(len(files), mostUnreadable-len(r.Unreadable))
	r.Unreadable = append(r.Unreadable, files[:n]...)
	r.UnreadableMore += len(files) - n
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
