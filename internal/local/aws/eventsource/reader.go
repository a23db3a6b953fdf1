package eventsource

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// readLimit is how many records one call requests: Kinesis's maximum.
const readLimit = 10_000

// States of a shard.
const (
	waiting  = "waiting"
	reading  = "reading"
	draining = "draining"
	finished = "finished"
)

// shard is one shard of the stream.
type shard struct {
	mapping *Mapping
	store   *store
	id      string
	parents []string
	region  string

	backlog *backlog
	saving  sync.Mutex // orders checkpoints

	// Guarded by the mapping's lock.
	state      string
	checkpoint string
	behind     time.Duration // of the last read

	// Used by the reader only: where the next iterator starts.
	at position
}

// position returns where to start reading a shard.
type position struct {
	kind   types.ShardIteratorType
	number string
	time   time.Time
}

// run reads the shard and delivers its records until it is finished or run is done,
// and returns which.
func (s *shard) run(run, work context.Context) (done bool) {
	s.mapping.setState(s, reading)
	var lanes sync.WaitGroup
	for _, l := range s.backlog.lanes {
		lanes.Go(func() { s.work(run, work, l) })
	}
	ended := s.read(run)
	if ended {
		s.mapping.setState(s, draining)
		s.backlog.end()
	}
	lanes.Wait()
	if pending, _, _ := s.backlog.state(); !ended || pending > 0 {
		return false
	}
	s.saving.Lock()
	s.saveCheckpoint(s.checkpoint, true)
	s.saving.Unlock()
	s.mapping.setState(s, finished)
	return true
}

// read fills the backlog until the shard has no more records (true) or run is done
// (false).
func (s *shard) read(run context.Context) (ended bool) {
	m, iterator, troubles := s.mapping, "", 0
	for s.backlog.waitRoom(run) == nil {
		page, err := s.page(run, &iterator)
		if err != nil {
			if run.Err() != nil {
				return false
			}
			if s.gone(run, err) {
				m.options.Log.Warn("shard expired", "shard", s.id)
				return true
			}
			troubles++
			m.count(func(c *Counts) { c.ReadErrors++ })
			m.trouble("read shard "+s.id, err)
			if !s.pause(run, troubles) {
				return false
			}
			continue
		}
		troubles = 0
		if n := len(page.Records); n > 0 {
			s.at = position{kind: types.ShardIteratorTypeAfterSequenceNumber, number: aws.ToString(page.Records[n-1].SequenceNumber)}
			s.backlog.add(page.Records)
			m.count(func(c *Counts) { c.Read += int64(n) })
		}
		behind := time.Duration(aws.ToInt64(page.MillisBehindLatest)) * time.Millisecond
		m.mu.Lock()
		s.behind = behind
		m.mu.Unlock()
		if iterator = aws.ToString(page.NextShardIterator); iterator == "" {
			return true
		}
		wait := m.options.PollEvery
		if behind > 0 { // Kinesis may return no records although there are more
			wait = 0
			if len(page.Records) == 0 {
				wait = min(m.options.PollEvery, 20*time.Millisecond)
			}
		}
		if !sleep(run, wait) {
			return false
		}
	}
	return false
}

// page makes one read, first for an iterator if there is none. After an error the
// iterator is empty unless it is still usable.
func (s *shard) page(run context.Context, iterator *string) (*kinesis.GetRecordsOutput, error) {
	k := s.mapping.options.Kinesis
	if *iterator == "" {
		in := &kinesis.GetShardIteratorInput{
			StreamName: &s.mapping.options.Stream, ShardId: &s.id, ShardIteratorType: s.at.kind,
		}
		switch s.at.kind {
		case types.ShardIteratorTypeAfterSequenceNumber:
			in.StartingSequenceNumber = &s.at.number
		case types.ShardIteratorTypeAtTimestamp:
			in.Timestamp = &s.at.time
		}
		out, err := k.GetShardIterator(run, in, once)
		var invalid *types.InvalidArgumentException
		if errors.As(err, &invalid) && in.StartingSequenceNumber != nil {
			// Kinesis no longer has the sequence number: start at the oldest
			// record, so that some records are delivered again and none is skipped.
			s.mapping.options.Log.Warn("checkpoint not accepted, reading from the oldest record", "shard", s.id, "sequence_number", s.at.number)
			s.at = position{kind: types.ShardIteratorTypeTrimHorizon}
		}
		if err != nil {
			return nil, err
		}
		*iterator = aws.ToString(out.ShardIterator)
		if s.at.kind == types.ShardIteratorTypeLatest {
			// Another iterator must not skip records that arrived since this one.
			s.at = position{kind: types.ShardIteratorTypeAtTimestamp, time: s.at.time}
		}
	}
	// Pass the ARN, so that permission checks need not resolve the iterator's
	// stream.
	in := &kinesis.GetRecordsInput{ShardIterator: iterator, Limit: aws.Int32(readLimit), StreamARN: &s.store.identity.ARN}
	out, err := k.GetRecords(run, in, once)
	if err != nil && !throttled(err) {
		*iterator = "" // expired, or from before an endpoint restart
	}
	return out, err
}

// once disables the SDK's retries: the mapping has its own retry loop.
func once(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} }

func throttled(err error) bool {
	var throughput *types.ProvisionedThroughputExceededException
	var limit *types.LimitExceededException
	return errors.As(err, &throughput) || errors.As(err, &limit)
}

// gone reports whether the stream is the same and no longer has the shard: its last
// record has passed the stream's retention.
func (s *shard) gone(run context.Context, err error) bool {
	var missing *types.ResourceNotFoundException
	if !errors.As(err, &missing) {
		return false
	}
	defer signal(s.mapping.look) // it may be another stream by now
	shards, err := s.mapping.list(run)
	if err != nil {
		return false
	}
	for _, d := range shards {
		if aws.ToString(d.ShardId) == s.id {
			return false
		}
	}
	id, err := s.mapping.describe(run)
	return err == nil && id.same(s.store.identity)
}

// pause waits before the nth consecutive retry, doubling each time, with jitter. It
// returns false when run is done.
func (s *shard) pause(run context.Context, n int) bool { return s.mapping.pause(run, n) }

func (m *Mapping) pause(run context.Context, n int) bool {
	o := m.options
	d := o.RetryMost
	if shift := n - 1; shift < 20 && o.RetryFirst<<shift < d {
		d = o.RetryFirst << shift
	}
	return sleep(run, d/2+rand.N(d/2+1))
}

// sleep waits, and returns false when ctx is done.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
