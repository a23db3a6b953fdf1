// Package quarantine reads the records that the stream could not use from the
// bucket, where Firehose delivers them: quarantine/dt=…/hour=…/, and
// quarantine-payloads/ for the bytes of large ones. It only reads. What such a
// record is belongs in internal/stream.
package quarantine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

const (
	prefix = "quarantine/"

	// maxPayload is the largest record that a stream can be told to take, in bytes.
	maxPayload = 10 << 20

	// maxDamaged is how many damaged objects a Page names.
	maxDamaged = 20
)

// Reader reads quarantined records. It is safe for concurrent use.
type Reader struct{ Bucket *awsclient.S3 }

// Filter selects records.
type Filter struct {
	Day    time.Time // UTC day of their delivery
	Reason string    // empty for any
	Limit  int       // most records to return
}

// Page holds selected records.
type Page struct {
	Records []stream.Quarantined // newest first, each once, without their bytes
	More    bool                 // there are more than Limit
	Damaged []string             // keys of objects that were read in part, at most 20
}

// List returns the newest records of a day. Memory grows with the limit and with
// one object, not with the day.
func (r *Reader) List(ctx context.Context, f Filter) (p Page, err error) {
	seen := map[string]bool{}
	err = r.each(ctx, f.Day, func(q stream.Quarantined) bool {
		if seen[q.QuarantineID] || f.Reason != "" && q.Reason != f.Reason {
			return true
		}
		seen[q.QuarantineID] = true
		q.Raw = nil
		if p.Records = append(p.Records, q); len(p.Records) > 4*f.Limit {
			p.trim(f.Limit)
			clear(seen)
			for _, kept := range p.Records {
				seen[kept.QuarantineID] = true
			}
		}
		return true
	}, func(key string) {
		if len(p.Damaged) < maxDamaged {
			p.Damaged = append(p.Damaged, key)
		}
	})
	p.trim(f.Limit)
	return p, err
}

// trim keeps the newest records.
func (p *Page) trim(limit int) {
	slices.SortFunc(p.Records, func(a, b stream.Quarantined) int {
		return cmp.Or(b.QuarantinedAt.Compare(a.QuarantinedAt), strings.Compare(a.QuarantineID, b.QuarantineID))
	})
	if len(p.Records) > limit {
		p.Records, p.More = p.Records[:limit], true
	}
}

// Get returns a record with its bytes. It returns recsys.ErrNotFound when the
// record was not delivered on that UTC day, or its bytes have expired.
func (r *Reader) Get(ctx context.Context, day time.Time, id string) (q stream.Quarantined, err error) {
	found := false
	err = r.each(ctx, day, func(candidate stream.Quarantined) bool {
		if candidate.QuarantineID == id {
			q, found = candidate, true
		}
		return !found
	}, func(string) {})
	if err == nil && !found {
		err = fmt.Errorf("record in quarantine on %s: %w", day.UTC().Format(time.DateOnly), recsys.ErrNotFound)
	}
	if err != nil || q.RawKey == "" {
		return q, err
	}
	if !strings.HasPrefix(q.RawKey, stream.PayloadPrefix) {
		return q, fmt.Errorf("record %s names an object for its bytes that is not under %s", q.QuarantineID, stream.PayloadPrefix)
	}
	if q.Raw, err = r.Bucket.Get(ctx, q.RawKey, maxPayload); err != nil {
		return q, fmt.Errorf("bytes of the record: %w", err)
	}
	return q, nil
}

// each calls f for the records delivered on a day until it returns false, and
// damaged for each object that is not what Firehose delivers from some point on.
func (r *Reader) each(ctx context.Context, day time.Time, f func(stream.Quarantined) bool, damaged func(key string)) error {
	for o, err := range r.Bucket.List(ctx, prefix+"dt="+day.UTC().Format(time.DateOnly)+"/") {
		if err != nil {
			return err
		}
		if !strings.HasSuffix(o.Key, ".gz") {
			continue
		}
		more := true
		err := eachRecord(ctx, r.Bucket, o.Key, func(q stream.Quarantined) bool {
			more = f(q)
			return more
		})
		if errors.Is(err, errDamaged) { // what is around it is as good as before
			damaged(o.Key)
			err = nil
		}
		if err != nil || !more {
			return err
		}
	}
	return nil
}
