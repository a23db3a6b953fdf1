// Package quarantine reads quarantined records from the bucket, where Firehose
// delivers them: quarantine/dt=…/hour=…/, and quarantine-payloads/ for large
// payloads. It only reads. Package stream defines the records.
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
	prefix = "quarantine/dt=" // followed by the UTC day of the delivery

	// maxPayload is the largest record size that a stream can be configured to
	// accept, in bytes.
	maxPayload = 10 << 20

	// maxDamaged is the maximum number of damaged objects in a Page.
	maxDamaged = 20
)

// Reader reads quarantined records. It is safe for concurrent use.
type Reader struct{ Bucket *awsclient.S3 }

// Filter selects records.
type Filter struct {
	Day    time.Time // UTC day of their delivery
	Reason string    // empty for any
	Limit  int       // maximum number of records
	Oldest bool      // oldest first instead of newest first
	After  Position  // return what follows it in that order; zero: from the beginning
}

// Position is the position of a record in a list.
type Position struct {
	At time.Time // when it was quarantined
	ID string
}

// Record is a quarantined record, and the object that contains it.
type Record struct {
	stream.Quarantined
	Object string // key in the bucket
}

// Page is a page of selected records.
type Page struct {
	Records []Record // in the order of the filter, each once, without their payloads
	More    bool     // there are more than Limit
	Damaged []string // keys of objects that could be read only in part, at most 20
}

// List returns the first records of a day after a position. Memory use depends
// on the limit and on one object, not on the day; every call reads the day
// again.
func (r *Reader) List(ctx context.Context, f Filter) (p Page, err error) {
	seen := map[string]bool{}
	err = r.each(ctx, dayPrefix(f.Day), func(q Record) bool {
		if seen[q.QuarantineID] || f.Reason != "" && q.Reason != f.Reason || !f.After.At.IsZero() && f.compare(q.position(), f.After) <= 0 {
			return true
		}
		seen[q.QuarantineID] = true
		q.Raw = nil
		if p.Records = append(p.Records, q); len(p.Records) > 4*f.Limit {
			p.trim(f)
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
	p.trim(f)
	return p, err
}

func (q Record) position() Position { return Position{q.QuarantinedAt, q.QuarantineID} }

// compare orders records as the filter specifies.
func (f Filter) compare(a, b Position) int {
	if f.Oldest {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID))
	}
	return cmp.Or(b.At.Compare(a.At), strings.Compare(a.ID, b.ID))
}

// trim keeps the first records.
func (p *Page) trim(f Filter) {
	slices.SortFunc(p.Records, func(a, b Record) int { return f.compare(a.position(), b.position()) })
	if len(p.Records) > f.Limit {
		p.Records, p.More = p.Records[:f.Limit], true
	}
}

// Get returns a record with its payload. It searches the named object or,
// without one, all objects, the newest day first. It returns recsys.ErrNotFound
// if the record does not exist, or its payload has expired.
func (r *Reader) Get(ctx context.Context, object, id string) (q Record, err error) {
	prefixes := []string{object}
	if object == "" {
		if prefixes, err = r.days(ctx); err != nil {
			return q, err
		}
	}
	found := false
	for i := 0; i < len(prefixes) && !found; i++ {
		err := r.each(ctx, prefixes[i], func(candidate Record) bool {
			if candidate.QuarantineID == id {
				q, found = candidate, true
			}
			return !found
		}, func(string) {})
		if err != nil {
			return q, err
		}
	}
	switch {
	case !found:
		return q, fmt.Errorf("quarantined record: %w", recsys.ErrNotFound)
	case q.RawKey == "":
		return q, nil
	case !strings.HasPrefix(q.RawKey, stream.PayloadPrefix):
		return q, fmt.Errorf("record %s names an object for its payload that is not under %s", q.QuarantineID, stream.PayloadPrefix)
	}
	if q.Raw, err = r.Bucket.Get(ctx, q.RawKey, maxPayload); err != nil {
		return q, fmt.Errorf("payload of the record: %w", err)
	}
	return q, nil
}

// dayPrefix returns the prefix of the objects that are delivered on a UTC day.
func dayPrefix(day time.Time) string { return prefix + day.UTC().Format(time.DateOnly) + "/" }

// days returns the prefixes of the days that have objects, newest first.
func (r *Reader) days(ctx context.Context) (days []string, err error) {
	for o, err := range r.Bucket.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		day, _, _ := strings.Cut(strings.TrimPrefix(o.Key, prefix), "/")
		if day = prefix + day + "/"; len(days) == 0 || days[len(days)-1] != day {
			days = append(days, day)
		}
	}
	slices.Reverse(days)
	return days, nil
}

// each calls f for the records in the objects under a prefix until it returns
// false, and damaged for each object that is not valid Firehose output.
func (r *Reader) each(ctx context.Context, under string, f func(Record) bool, damaged func(key string)) error {
	for o, err := range r.Bucket.List(ctx, under) {
		if err != nil {
			return err
		}
		if !strings.HasSuffix(o.Key, ".gz") {
			continue
		}
		more := true
		err := awsclient.EachDelivered(ctx, r.Bucket, o.Key, func(q stream.Quarantined) bool {
			more = f(Record{q, o.Key})
			return more
		})
		if errors.Is(err, awsclient.ErrDamaged) { // the other objects are still valid
			damaged(o.Key)
			err = nil
		}
		if err != nil || !more {
			return err
		}
	}
	return nil
}
