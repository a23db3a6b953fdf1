package eventsource

import (
	"context"
	"encoding/base64"
	"hash/fnv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// entry is one record read from the stream.
type entry struct {
	record types.Record
	read   time.Time
	json   []byte // as part of an event; set while the record is in a batch
	done   bool
}

func (e *entry) arrived() time.Time { return aws.ToTime(e.record.ApproximateArrivalTimestamp) }
func (e *entry) number() string     { return aws.ToString(e.record.SequenceNumber) }

// weight is the record's approximate share of a payload, in bytes.
func (e *entry) weight() int {
	return base64.StdEncoding.EncodedLen(len(e.record.Data)) + len(aws.ToString(e.record.PartitionKey)) + 512
}

// backlog has the records of a shard that were read and are not checkpointed. It
// assigns records to lanes by partition key; a lane has one batch in progress at a
// time.
type backlog struct {
	batchSize  int
	window     time.Duration
	maxEntries int
	maxWeight  int

	mu      sync.Mutex
	entries []*entry // in shard order; the first is not done
	weight  int      // of the entries that are not done
	pending int      // entries that are not done
	ended   bool     // no more records follow
	lanes   []*lane
	room    chan struct{} // has a token when there may be room again
}

// lane has the records waiting for a batch.
type lane struct {
	waiting []*entry
	weight  int
	wake    chan struct{} // has a token when something changed
}

func newBacklog(o Options) *backlog {
	b := &backlog{
		batchSize: o.BatchSize, window: o.BatchWindow,
		// Every lane can have a full batch in progress and most of the next one
		// read.
		maxEntries: max(20_000, 2*o.BatchSize*o.Parallelization),
		maxWeight:  2 * MaxPayload * o.Parallelization,
		room:       make(chan struct{}, 1),
	}
	for range o.Parallelization {
		b.lanes = append(b.lanes, &lane{wake: make(chan struct{}, 1)})
	}
	return b
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// full reports whether reading must wait. The caller holds b.mu.
func (b *backlog) full() bool { return len(b.entries) >= b.maxEntries || b.weight >= b.maxWeight }

// waitRoom returns when more may be read, or when ctx is done.
func (b *backlog) waitRoom(ctx context.Context) error {
	for {
		b.mu.Lock()
		full := b.full()
		b.mu.Unlock()
		if !full {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.room:
		}
	}
}

// add appends records.
func (b *backlog) add(records []types.Record) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range records {
		e := &entry{record: r, read: now}
		b.entries = append(b.entries, e)
		b.weight += e.weight()
		b.pending++
		l := b.laneOf(aws.ToString(r.PartitionKey))
		l.waiting = append(l.waiting, e)
		l.weight += e.weight()
	}
	b.wakeAll()
}

// end marks the end of the shard.
func (b *backlog) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.wakeAll()
}

func (b *backlog) wakeAll() {
	for _, l := range b.lanes {
		signal(l.wake)
	}
}

func (b *backlog) laneOf(key string) *lane {
	h := fnv.New32a()
	h.Write([]byte(key))
	return b.lanes[h.Sum32()%uint32(len(b.lanes))]
}

// next waits for a batch of a lane: until it is full by count or bytes, its first
// record has waited for the whole window, or no more records can arrive. It returns
// nil when the lane is empty for good, or ctx is done.
func (b *backlog) next(ctx context.Context, l *lane, encode func(*entry)) []*entry {
	for ctx.Err() == nil {
		b.mu.Lock()
		if len(l.waiting) == 0 && b.ended {
			b.mu.Unlock()
			return nil
		}
		wait := time.Hour
		if len(l.waiting) > 0 {
			wait = b.window - time.Since(l.waiting[0].read)
			if wait <= 0 || len(l.waiting) >= b.batchSize || l.weight >= MaxPayload || b.ended || b.full() {
				batch := b.take(l, encode)
				b.mu.Unlock()
				return batch
			}
		}
		b.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-l.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// take removes the next batch from a lane.
func (b *backlog) take(l *lane, encode func(*entry)) []*entry {
	n, size := 0, payloadOverhead
	for n < len(l.waiting) && n < b.batchSize {
		e := l.waiting[n]
		encode(e)
		size += len(e.json) + 1
		if size > MaxPayload && n > 0 {
			e.json = nil
			break
		}
		n++
	}
	batch := l.waiting[:n:n]
	for _, e := range batch {
		l.weight -= e.weight()
	}
	l.waiting = append([]*entry(nil), l.waiting[n:]...)
	return batch
}

// finish marks records as done. It returns the sequence number up to which
// everything is done, or "" if that has not changed.
func (b *backlog) finish(batch []*entry) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range batch {
		b.weight -= e.weight()
		b.pending--
		e.done, e.json, e.record.Data = true, nil, nil
	}
	n := 0
	for n < len(b.entries) && b.entries[n].done {
		n++
	}
	if !b.full() {
		signal(b.room)
	}
	if n == 0 {
		return ""
	}
	upTo := b.entries[n-1].number()
	clear(b.entries[:n])
	b.entries = b.entries[n:]
	signal(b.room)
	return upTo
}

// state returns how many records are not done, their bytes, and when the oldest
// arrived.
func (b *backlog) state() (pending, weight int, oldest time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.entries) > 0 {
		oldest = b.entries[0].arrived()
	}
	return b.pending, b.weight, oldest
}
