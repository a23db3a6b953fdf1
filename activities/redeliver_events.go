package activities

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/klauspost/compress/gzip"
	"go.temporal.io/sdk/activity"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

const (
	eventsPrefix = "raw/events/dt=" // followed by the UTC day of the delivery

	// deliveryPatience is how long an event may be on its way to the bucket. One that
	// arrives later is delivered twice, which a training ignores.
	deliveryPatience = 15 * time.Minute

	// redeliveredEvents is the number of events in an object.
	redeliveredEvents = 20_000

	// redeliverMemory is the number of delivered events that are kept in memory. For
	// more, the objects are read several times.
	redeliverMemory = 10_000_000
)

// RedeliverEventsInput names the request.
type RedeliverEventsInput struct {
	Started time.Time `json:"started"` // start of the workflow; events stored shortly before are left alone
}

// RedeliverEventsResult is what was compared and written.
type RedeliverEventsResult struct {
	Baseline    recsys.Baseline `json:"baseline"`
	Stored      int64           `json:"stored"`      // events in Postgres that the baseline does not cover
	Redelivered int64           `json:"redelivered"` // of them, those that were not in the bucket
	Objects     int             `json:"objects"`     // objects written
	Damaged     []string        `json:"damaged,omitempty"`
}

// RedeliverEvents writes the stored events that are not in raw/events there, so that
// the next training reads them. It compares the events that the baseline of the next
// training does not cover. It is idempotent: what an earlier attempt has written is in
// the bucket.
func (a *Activities) RedeliverEvents(ctx context.Context, in RedeliverEventsInput) (out RedeliverEventsResult, err error) {
	beat := a.report(ctx)
	defer beat.stop()
	if out.Baseline, err = a.Versions.Baseline(ctx); err != nil {
		return out, err
	}
	until := in.Started.Add(-deliveryPatience)
	if out.Stored, err = a.Events.CountSince(ctx, out.Baseline, until); err != nil {
		return out, err
	}
	r := redelivery{Activities: a, in: in, until: until, parts: uint64(out.Stored/redeliverMemory) + 1, out: &out}
	for r.part = range r.parts {
		beat.set(Note{Detail: fmt.Sprintf("part %d of %d, %d events redelivered", r.part+1, r.parts, out.Redelivered)})
		if err := r.readDelivered(ctx); err != nil {
			return out, err
		}
		if err := r.writeMissing(ctx); err != nil {
			return out, err
		}
	}
	activity.GetLogger(ctx).Info("redelivered events", "stored", out.Stored, "redelivered", out.Redelivered, "objects", out.Objects)
	return out, nil
}

// redelivery compares the events in parts, by the hash of their ids.
type redelivery struct {
	*Activities
	in          RedeliverEventsInput
	until       time.Time
	part, parts uint64
	delivered   map[uint64]struct{} // hashes of the delivered events of the part
	out         *RedeliverEventsResult
}

// hashOf identifies a stored event, and reports whether it is of the current part.
func (r *redelivery) hashOf(e recsys.Event) (hash uint64, mine bool) {
	hash = recsys.IDHash("", e.EventID+" "+e.StoredAt.UTC().Format(time.RFC3339Nano))
	return hash, hash%r.parts == r.part
}

// readDelivered reads the objects of the days since the baseline. An event cannot be
// delivered before it is stored.
func (r *redelivery) readDelivered(ctx context.Context) error {
	r.delivered = map[uint64]struct{}{}
	first := r.out.Baseline.StoredTo.UTC().Format(time.DateOnly)
	for o, err := range r.S3.List(ctx, "raw/events/") {
		if err != nil {
			return err
		}
		if o.Key < eventsPrefix+first {
			continue
		}
		err := awsclient.EachDelivered(ctx, r.S3, o.Key, func(e recsys.Event) bool {
			if hash, mine := r.hashOf(e); mine {
				r.delivered[hash] = struct{}{}
			}
			return true
		})
		if errors.Is(err, awsclient.ErrDamaged) { // the training names it too
			if r.part == 0 && len(r.out.Damaged) < 20 {
				r.out.Damaged = append(r.out.Damaged, o.Key)
			}
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeMissing writes the events of the part that were not delivered.
func (r *redelivery) writeMissing(ctx context.Context) error {
	var lines bytes.Buffer
	n, object := 0, 0
	flush := func() error {
		if n == 0 {
			return nil
		}
		if err := r.put(ctx, object, lines.Bytes()); err != nil {
			return err
		}
		r.out.Redelivered += int64(n)
		r.out.Objects++
		lines.Reset()
		n, object = 0, object+1
		return nil
	}
	err := r.Events.EachSince(ctx, r.out.Baseline, r.until, func(e recsys.Event) error {
		hash, mine := r.hashOf(e)
		if _, delivered := r.delivered[hash]; delivered || !mine {
			return nil
		}
		lines.Write(stream.EncodeEvent(e))
		lines.WriteByte('\n')
		if n++; n < redeliveredEvents {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// put writes an object under the day and hour at which the workflow started.
func (r *redelivery) put(ctx context.Context, object int, lines []byte) error {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(lines); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	at := r.in.Started.UTC()
	key := fmt.Sprintf("%s%s/hour=%02d/redelivered-%s-%d-%d-%d.gz",
		eventsPrefix, at.Format(time.DateOnly), at.Hour(), at.Format("20060102T150405.000000Z"), activity.GetInfo(ctx).Attempt, r.part, object)
	return r.S3.Put(ctx, key, bytes.NewReader(packed.Bytes()))
}
