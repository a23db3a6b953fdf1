package eventsource

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Mapping reads one stream and invokes one function.
type Mapping struct {
	options Options
	look    chan struct{} // has a token when the shards should be listed

	mu      sync.Mutex
	state   string
	arn     string
	shards  map[string]*shard // the shards known to exist
	counts  Counts
	lastErr string
	errAt   time.Time
}

// New validates the options. Run does the work.
func New(o Options) (*Mapping, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	return &Mapping{options: o, look: make(chan struct{}, 1), state: "starting"}, nil
}

// Run reads the stream and invokes the function until ctx is done. Then it starts
// no more invocations, waits for those in progress (up to StopTimeout) and writes
// their progress to the checkpoints. If the stream does not exist, Run waits for
// it; a stream that was deleted and created again is read from its beginning.
// Errors of Kinesis, the function or the destination do not end Run: Status reports
// them.
//
// It returns an error if the checkpoint directory cannot be used, and nil after ctx
// is done. Call it once.
func (m *Mapping) Run(ctx context.Context) error {
	lock, err := lockDir(m.options.CheckpointDir)
	if err != nil {
		return fmt.Errorf("open the checkpoints: %w", err)
	}
	defer unlockDir(lock)
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.state = "stopped"
	}()
	for troubles := 0; ctx.Err() == nil; {
		id, err := m.describe(ctx)
		if err != nil {
			troubles++
			m.count(func(c *Counts) { c.ReadErrors++ })
			m.trouble("describe the stream", err)
			m.pause(ctx, troubles)
			continue
		}
		troubles = 0
		if err := m.follow(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// describe returns the identity of the current stream.
func (m *Mapping) describe(ctx context.Context) (identity, error) {
	out, err := m.options.Kinesis.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &m.options.Stream}, once)
	if err != nil {
		return identity{}, err
	}
	d := out.StreamDescriptionSummary
	if d.StreamStatus == types.StreamStatusCreating || d.StreamStatus == types.StreamStatusDeleting {
		return identity{}, fmt.Errorf("stream %s is %s", m.options.Stream, d.StreamStatus)
	}
	return identity{ARN: aws.ToString(d.StreamARN), CreatedAt: aws.ToTime(d.StreamCreationTimestamp).UTC()}, nil
}

// list returns all shards of the stream.
func (m *Mapping) list(ctx context.Context) ([]types.Shard, error) {
	var all []types.Shard
	in := &kinesis.ListShardsInput{StreamName: &m.options.Stream}
	for {
		out, err := m.options.Kinesis.ListShards(ctx, in, once)
		if err != nil {
			return nil, err
		}
		all = append(all, out.Shards...)
		if out.NextToken == nil {
			return all, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
}

// follow reads one stream until it is replaced or ctx is done.
func (m *Mapping) follow(ctx context.Context, id identity) error {
	f, err := m.newFollowing(ctx, id)
	if err != nil || f == nil {
		return err
	}
	run, stop := context.WithCancel(ctx)
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(run, func() {
		timer := time.AfterFunc(m.options.StopTimeout, cancel)
		context.AfterFunc(work, func() { timer.Stop() })
	})
	// Shards end after run; then nothing needs work any more.
	defer cancel()
	defer f.running.Wait()
	defer stop()

	m.mu.Lock()
	m.state, m.arn, m.shards = "running", id.ARN, map[string]*shard{}
	m.mu.Unlock()
	m.options.Log.Info("reading stream", "stream", m.options.Stream, "stream_arn", id.ARN)
	for troubles := 0; run.Err() == nil; {
		same, err := f.look(run, work)
		switch {
		case err != nil && run.Err() == nil:
			troubles++
			m.count(func(c *Counts) { c.ReadErrors++ })
			m.trouble("list the shards", err)
			m.pause(run, troubles)
			continue
		case err == nil && !same:
			m.options.Log.Warn("stream was recreated, reading it from the beginning", "stream", m.options.Stream)
			return nil
		}
		troubles = 0
		timer := time.NewTimer(m.options.ShardsEvery)
		select {
		case <-run.Done():
		case <-m.look:
			// Shards end one after the other, and readers of a lost stream request
			// this often.
			sleep(run, min(m.options.PollEvery, m.options.ShardsEvery))
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// Status may be called at any time, including before and after Run.
func (m *Mapping) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Status{
		Stream: m.options.Stream, StreamARN: m.arn, State: m.state, Counts: m.counts,
		Shards: []ShardStatus{}, LastError: m.lastErr, LastErrorAt: m.errAt,
	}
	for _, sh := range m.shards {
		one := sh.status()
		s.IteratorAgeMS = max(s.IteratorAgeMS, one.IteratorAgeMS)
		s.Shards = append(s.Shards, one)
	}
	sortShards(s.Shards)
	return s
}

// status describes the shard. The caller holds the mapping's lock.
func (s *shard) status() ShardStatus {
	one := ShardStatus{ID: s.id, Parents: s.parents, State: s.state, Checkpoint: s.checkpoint, BehindMS: s.behind.Milliseconds()}
	var oldest time.Time
	one.Pending, one.PendingBytes, oldest = s.backlog.state()
	one.IteratorAgeMS = one.BehindMS
	if !oldest.IsZero() {
		one.IteratorAgeMS = max(one.IteratorAgeMS, time.Since(oldest).Milliseconds())
	}
	return one
}

func (m *Mapping) setState(s *shard, state string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.state = state
	if state == finished {
		s.behind = 0
	}
}

func (m *Mapping) count(change func(*Counts)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.counts)
}

// trouble records and logs an error that is being retried.
func (m *Mapping) trouble(doing string, err error) {
	if errors.Is(err, context.Canceled) {
		return // caused by a stop
	}
	m.options.Log.Warn("operation failed, retrying", "doing", doing, "error", err)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastErr, m.errAt = doing+": "+err.Error(), time.Now().UTC()
}

// region returns the fourth part of an ARN.
func region(arn string) string {
	if parts := strings.SplitN(arn, ":", 5); len(parts) == 5 {
		return parts[3]
	}
	return ""
}
