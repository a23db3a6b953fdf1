package rawdata

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/safeparquet"
)

const (
	// maxCounted objects of an area are opened to count their rows; the rows of
	// the others are estimated from their bytes.
	maxCounted = 10_000
	// footerTail bytes of each Parquet file are read first: nearly all footers
	// are shorter.
	footerTail = 64 << 10
	// maxLineBytes of compressed lines are read to count them.
	maxLineBytes = 32 << 20
	// maxUnpacked limits the decompressed size of an object.
	maxUnpacked = 256 << 20
	// lineBytes is the assumed compressed size of a delivered event, if none
	// was counted.
	lineBytes  = 90
	concurrent = 16 // concurrent S3 requests
)

// object is an object of an area.
type object struct {
	awsclient.Object
	day     *day
	counted bool
	rows    int64  // set once it was counted
	damage  string // why it cannot be counted; empty if it was not opened
}

// area is a part of raw/ with one kind of objects.
type area struct {
	prefix string
	// dayOf returns the day of the events in an object, or zero if its key does
	// not contain a day. It returns false for an object that does not belong to
	// the area.
	dayOf   func(key string) (time.Time, bool)
	budget  int64   // maximum bytes of objects to open; 0: no limit
	perByte float64 // rows per byte, if no object was counted
	// count counts the rows of an object, or returns why it cannot. Its error
	// is a retryable failure of the storage.
	count func(ctx context.Context, o awsclient.Object) (rows int64, damage string, err error)
}

// areas are the parts of raw/ that trainings read.
func areas(s3 *awsclient.S3) []area {
	// Only footers beyond the first read take from it: together they are
	// limited to the memory of the largest one.
	memory := semaphore.NewWeighted(safeparquet.MaxFooterBytes)
	return []area{{
		prefix: "raw/interactions/",
		dayOf:  importedDay,
		count: func(ctx context.Context, o awsclient.Object) (int64, string, error) {
			return footerRows(ctx, s3, o, memory)
		},
	}, {
		// All delivered events are read: their keys do not contain the time
		// when they occurred.
		prefix:  "raw/events/",
		dayOf:   func(string) (time.Time, bool) { return time.Time{}, true },
		budget:  maxLineBytes,
		perByte: 1.0 / lineBytes,
		count: func(ctx context.Context, o awsclient.Object) (int64, string, error) {
			return lines(ctx, s3, o.Key)
		},
	}}
}

func importedDay(key string) (time.Time, bool) {
	text, ok := strings.CutPrefix(key, "raw/interactions/dt=")
	if !ok || !strings.HasSuffix(key, ".parquet") {
		return time.Time{}, false
	}
	text, _, _ = strings.Cut(text, "/")
	start, err := time.Parse(time.DateOnly, text)
	return start, err == nil
}

// countAll counts the rows of objects within the area's budget.
func (a area) countAll(ctx context.Context, objects []*object) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrent)
	var read int64
	for _, o := range objects[:min(len(objects), maxCounted)] {
		if a.budget > 0 && read+o.Size > a.budget {
			continue
		}
		read += o.Size
		group.Go(func() (err error) {
			o.rows, o.damage, err = a.count(ctx, o.Object)
			o.counted = err == nil && o.damage == ""
			return err
		})
	}
	return group.Wait()
}

// lines counts the lines of a compressed object.
func lines(ctx context.Context, s3 *awsclient.S3, key string) (n int64, damage string, err error) {
	r, err := s3.Open(ctx, key, 0)
	if err != nil {
		return 0, "", err
	}
	defer r.Close()
	z, err := gzip.NewReader(r)
	if err != nil {
		return 0, "it is not compressed by gzip", ctx.Err()
	}
	defer z.Close()
	var size int64
	last := byte('\n')
	buffer := make([]byte, 64<<10)
	for size <= maxUnpacked {
		read, err := z.Read(buffer)
		if read > 0 {
			n += int64(bytes.Count(buffer[:read], []byte{'\n'}))
			size, last = size+int64(read), buffer[read-1]
		}
		switch {
		case errors.Is(err, io.EOF) && last != '\n':
			return n + 1, "", nil
		case errors.Is(err, io.EOF):
			return n, "", nil
		case err != nil:
			return 0, "it cannot be decompressed", ctx.Err()
		}
	}
	return 0, fmt.Sprintf("it decompresses to more than %d MiB", maxUnpacked>>20), nil
}

// footerRows counts the rows of a Parquet file by its footer.
func footerRows(ctx context.Context, s3 *awsclient.S3, o awsclient.Object, memory *semaphore.Weighted) (rows int64, damage string, err error) {
	tail, err := readEnd(ctx, s3, o, footerTail)
	if err != nil {
		return 0, "", err
	}
	length, damaged := safeparquet.FooterLength(tail, o.Size)
	if damaged != nil {
		return 0, damaged.Error(), nil
	}
	if length+safeparquet.FooterTail > int64(len(tail)) {
		if err := memory.Acquire(ctx, length); err != nil {
			return 0, "", err
		}
		defer memory.Release(length)
		if tail, err = readEnd(ctx, s3, o, length+safeparquet.FooterTail); err != nil {
			return 0, "", err
		}
	}
	end := int64(len(tail)) - safeparquet.FooterTail
	rows, damaged = safeparquet.FooterRows(tail[end-length : end])
	if damaged != nil {
		return 0, damaged.Error(), nil
	}
	return rows, "", nil
}

// readEnd reads the last n bytes of an object, or all when it is shorter.
func readEnd(ctx context.Context, s3 *awsclient.S3, o awsclient.Object, n int64) ([]byte, error) {
	n = min(n, o.Size)
	r, err := s3.Open(ctx, o.Key, o.Size-n)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.Object().Size != o.Size {
		return nil, fmt.Errorf("read %s: it was replaced during the listing", o.Key)
	}
	end := make([]byte, n)
	if _, err := io.ReadFull(r, end); err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Key, err)
	}
	return end, nil
}
