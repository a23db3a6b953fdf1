package quarantine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/streamio"
	"github.com/recflow/recflow/internal/stream"
)

const (
	quarantinePrefix = "quarantine/"

	// maxPayload is the largest record that a stream can be told to take.
	maxPayload = 10 << 20

	// deliveryDelay is how long a record may wait for its delivery, and so how far
	// the hour of an object may lie from that of its records.
	deliveryDelay = time.Hour
)

// reader reads the records in quarantine from the bucket.
type reader struct {
	bucket  *awsclient.S3
	trouble io.Writer // is told of objects that are damaged
}

func openReader(ctx context.Context, a *app.App) (*reader, error) {
	bucket, err := a.OpenBucket(ctx)
	if err != nil {
		return nil, err
	}
	return &reader{bucket, a.Err}, nil
}

// newest returns the documents that are meant, newest first, each once.
func (s *reader) newest(ctx context.Context, f chosen) (docs []stream.Quarantined, err error) {
	var from time.Time
	if f.since > 0 {
		from = time.Now().Add(-f.since)
	}
	seen := map[string]bool{}
	enough := false
	err = s.each(ctx, from, func(hour []stream.Quarantined) (bool, error) {
		for _, q := range hour {
			if seen[q.QuarantineID] || q.QuarantinedAt.Before(from) || f.reason != "" && q.Reason != f.reason {
				continue
			}
			seen[q.QuarantineID] = true
			docs = append(docs, q)
		}
		if enough { // one hour more than needed, since a delivery may be late
			return false, nil
		}
		enough = f.limit > 0 && len(docs) >= f.limit
		return true, nil
	})
	slices.SortStableFunc(docs, func(a, b stream.Quarantined) int {
		return cmp.Or(b.QuarantinedAt.Compare(a.QuarantinedAt), strings.Compare(a.QuarantineID, b.QuarantineID))
	})
	if f.limit > 0 && len(docs) > f.limit {
		docs = docs[:f.limit]
	}
	return docs, err
}

// each calls f for the documents of every hour that has some, newest hour first,
// until f returns false. The zero time is the beginning.
func (s *reader) each(ctx context.Context, from time.Time, f func(hour []stream.Quarantined) (bool, error)) error {
	hours, err := s.hours(ctx, from)
	if err != nil {
		return err
	}
	for _, keys := range hours {
		var docs []stream.Quarantined
		for _, key := range keys {
			err := streamio.EachDelivered(ctx, s.bucket, key, func(q stream.Quarantined) { docs = append(docs, q) })
			if errors.Is(err, streamio.ErrDamaged) { // what is around it is as good as before
				fmt.Fprintf(s.trouble, "an object is skipped from here on: %v\n", err)
				err = nil
			}
			if err != nil {
				return err
			}
		}
		if more, err := f(docs); err != nil || !more {
			return err
		}
	}
	return nil
}

// hours lists the objects hour by hour, newest first.
func (s *reader) hours(ctx context.Context, from time.Time) (hours [][]string, err error) {
	prefixes := []string{quarantinePrefix}
	if !from.IsZero() {
		prefixes = nil
		day := from.Add(-deliveryDelay).UTC().Truncate(24 * time.Hour)
		for ; !day.After(time.Now().Add(deliveryDelay)); day = day.Add(24 * time.Hour) {
			prefixes = append(prefixes, quarantinePrefix+"dt="+day.Format(time.DateOnly)+"/")
		}
	}
	earliest := quarantinePrefix + from.Add(-deliveryDelay).UTC().Format("dt=2006-01-02/hour=15/")
	last := ""
	for _, prefix := range prefixes {
		for o, err := range s.bucket.List(ctx, prefix) {
			if err != nil {
				return nil, err
			}
			folder := o.Key[:strings.LastIndexByte(o.Key, '/')+1]
			if !strings.HasSuffix(o.Key, ".gz") || !from.IsZero() && folder < earliest {
				continue
			}
			if folder != last {
				hours, last = append(hours, nil), folder
			}
			hours[len(hours)-1] = append(hours[len(hours)-1], o.Key)
		}
	}
	slices.Reverse(hours)
	return hours, nil
}

// raw returns the bytes of a record, from the document or from the object that
// holds them when they are large.
func (s *reader) raw(ctx context.Context, q stream.Quarantined) ([]byte, error) {
	if q.RawKey == "" {
		return q.Raw, nil
	}
	if !strings.HasPrefix(q.RawKey, stream.PayloadPrefix) {
		return nil, fmt.Errorf("the record %s names %q for its bytes, which is not under %s", q.QuarantineID, q.RawKey, stream.PayloadPrefix)
	}
	return s.bucket.Get(ctx, q.RawKey, maxPayload)
}
