package firehose

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/recflow/recflow/internal/local/aws/awsjson"
)

// queue is one running delivery stream: a writer that makes records durable, many
// puts per sync, and a deliverer that turns sealed segments into objects, one by
// one.
type queue struct {
	stream  Stream
	options Options
	dir     string

	puts    chan put
	backlog atomic.Int64 // bytes of undelivered files

	mu     sync.Mutex
	status StreamStatus
}

type put struct {
	records [][]byte
	done    chan error
}

// errFull is the response above the backlog limit.
var errFull = awsjson.Refuse(awsjson.ServiceUnavailable, "the backlog of the delivery stream is full; try again later")

// openQueue opens a queue with the segments left by an earlier process.
func openQueue(o Options, s Stream) (*queue, []*segment, error) {
	q := &queue{stream: s, options: o, dir: filepath.Join(o.StateDir, s.Name), puts: make(chan put)}
	if err := os.MkdirAll(q.dir, 0o700); err != nil {
		return nil, nil, err
	}
	left, err := segments(q.dir)
	for _, seg := range left {
		q.backlog.Add(seg.size)
	}
	return q, left, err
}

// put makes records durable.
func (q *queue) put(ctx context.Context, records [][]byte) error {
	if len(records) == 0 {
		return nil
	}
	if q.backlog.Load() > q.options.MaxBacklog {
		return errFull
	}
	p := put{records, make(chan error, 1)}
	select {
	case q.puts <- p:
		return <-p.done
	case <-ctx.Done():
		return awsjson.Refuse(awsjson.ServiceUnavailable, "the local Firehose is shutting down")
	}
}

// write is the writer. When ctx ends it seals the current segment and returns.
func (q *queue) write(ctx context.Context, sealed func(*segment)) {
	var open *segment
	flush := time.NewTimer(time.Hour)
	flush.Stop()
	seal := func() {
		if open == nil {
			return
		}
		flush.Stop()
		if err := open.seal(); err != nil {
			q.options.Log.Error("failed to close a record file", "stream", q.stream.Name, "error", err)
		}
		sealed(open)
		open = nil
	}
	for {
		select {
		case <-ctx.Done():
			seal()
			return
		case <-flush.C:
			seal()
		case p := <-q.puts:
			batch := q.collect(p)
			fresh := open == nil
			err := q.append(&open, batch)
			for _, p := range batch {
				p.done <- err
			}
			if err != nil {
				q.options.Log.Error("failed to write records", "stream", q.stream.Name, "error", err)
				seal() // a torn write ends this file
				continue
			}
			if fresh {
				flush.Reset(q.stream.BufferEvery)
			}
			if open.payload >= q.stream.BufferBytes {
				seal()
			}
		}
	}
}

// collect takes the puts that wait together with the first one, up to a buffer.
func (q *queue) collect(first put) []put {
	batch, bytes := []put{first}, size(first.records)
	for bytes < q.stream.BufferBytes {
		select {
		case p := <-q.puts:
			batch, bytes = append(batch, p), bytes+size(p.records)
		default:
			return batch
		}
	}
	return batch
}

func size(records [][]byte) (n int64) {
	for _, r := range records {
		n += int64(len(r))
	}
	return n
}

// append writes a batch of puts and syncs once.
func (q *queue) append(open **segment, batch []put) (err error) {
	if *open == nil {
		if *open, err = newSegment(q.dir, time.Now().UTC()); err != nil {
			return err
		}
	}
	var records [][]byte
	for _, p := range batch {
		records = append(records, p.records...)
	}
	before := (*open).size
	err = (*open).append(records)
	q.backlog.Add((*open).size - before)
	if err != nil {
		return err
	}
	return (*open).sync()
}

// deliver turns a segment into an object. It retries until it succeeds or ctx ends;
// until then the segment stays on disk.
func (q *queue) deliver(ctx context.Context, s *segment) error {
	pause := q.options.RetryFirst
	for {
		err := q.deliverOnce(ctx, s)
		if err == nil {
			return nil
		}
		q.failed(s, err)
		q.options.Log.Warn("delivery failed, retrying", "stream", q.stream.Name, "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
		pause = min(2*pause, q.options.RetryMost)
	}
}

func (q *queue) deliverOnce(ctx context.Context, s *segment) error {
	var object bytes.Buffer
	zip := gzip.NewWriter(&object)
	records, rest, err := s.copy(zip, q.stream.Delimiter)
	if err == nil {
		err = zip.Close()
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", s.path, err)
	}
	if records > 0 {
		if err := q.options.Bucket.Put(ctx, s.key(q.stream.Name, q.stream.Prefix), bytes.NewReader(object.Bytes())); err != nil {
			return fmt.Errorf("put the object: %w", err)
		}
	}
	if len(rest) > 0 {
		if err := q.setAside(ctx, s, rest); err != nil {
			return fmt.Errorf("put the unreadable data: %w", err)
		}
	}
	if err := os.Remove(s.path); err != nil {
		return err
	}
	q.backlog.Add(-s.size)
	q.delivered(records)
	return nil
}

// failure is a line under the error prefix, with the fields that AWS writes.
type failure struct {
	AttemptsMade           int    `json:"attemptsMade"`
	ArrivalTimestamp       int64  `json:"arrivalTimestamp"` // milliseconds
	ErrorCode              string `json:"errorCode"`
	ErrorMessage           string `json:"errorMessage"`
	AttemptEndingTimestamp int64  `json:"attemptEndingTimestamp"`
	RawData                []byte `json:"rawData"`
}

// setAside writes the unreadable end of a segment under the error prefix.
func (q *queue) setAside(ctx context.Context, s *segment, rest []byte) error {
	q.options.Log.Warn("cannot read the end of a record file, writing it to the error prefix", "stream", q.stream.Name, "bytes", len(rest))
	var object bytes.Buffer
	zip := gzip.NewWriter(&object)
	err := json.NewEncoder(zip).Encode(failure{
		AttemptsMade: 1, ArrivalTimestamp: s.arrived.UnixMilli(), AttemptEndingTimestamp: time.Now().UnixMilli(),
		ErrorCode: "Local.Unreadable", ErrorMessage: "a crash or damage left records that cannot be read", RawData: rest,
	})
	if err := errors.Join(err, zip.Close()); err != nil {
		return err
	}
	return q.options.Bucket.Put(ctx, s.key(q.stream.Name, q.stream.ErrorPrefix), bytes.NewReader(object.Bytes()))
}
