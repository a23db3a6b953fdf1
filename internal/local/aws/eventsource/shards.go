package eventsource

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// following is the state of reading one stream.
type following struct {
	mapping *Mapping
	store   *store
	origin  origin
	running sync.WaitGroup
}

// newFollowing opens or creates the progress on a stream. It returns nil when ctx
// is done.
func (m *Mapping) newFollowing(ctx context.Context, id identity) (*following, error) {
	store, other, err := openStore(m.options.CheckpointDir, id)
	if err != nil {
		return nil, fmt.Errorf("open the checkpoints: %w", err)
	}
	f := &following{mapping: m, store: store}
	o, found, err := store.loadOrigin()
	if err != nil {
		m.trouble("read where the mapping started", err)
		other = true // the mapping has run before, and must not skip records
	}
	if f.origin = o; found {
		return f, nil
	}
	f.origin = origin{Position: m.options.StartingPosition, Time: m.options.StartingTime, fresh: true}
	if other {
		f.origin.Position = TrimHorizon
	}
	if f.origin.Position == Latest {
		if !f.skipClosed(ctx) {
			return nil, nil
		}
	}
	if err := store.saveOrigin(f.origin); err != nil {
		return nil, fmt.Errorf("begin the checkpoints: %w", err)
	}
	if err := store.forgetOthers(); err != nil {
		m.trouble("remove checkpoints of an earlier stream", err)
	}
	return f, nil
}

// skipClosed starts at LATEST: closed shards are marked as finished, and open ones
// are recorded.
func (f *following) skipClosed(ctx context.Context) bool {
	m := f.mapping
	for troubles := 1; ; troubles++ {
		f.origin.Time, f.origin.Open = time.Now().UTC(), nil
		shards, err := m.list(ctx)
		for _, d := range shards {
			if id := aws.ToString(d.ShardId); !closed(d) {
				f.origin.Open = append(f.origin.Open, id)
			} else if err == nil {
				err = f.store.save(checkpoint{Shard: id, Finished: true})
			}
		}
		if err == nil {
			return true
		}
		m.count(func(c *Counts) { c.ReadErrors++ })
		m.trouble("list the shards", err)
		if !m.pause(ctx, troubles) {
			return false
		}
	}
}

func closed(d types.Shard) bool {
	return d.SequenceNumberRange != nil && d.SequenceNumberRange.EndingSequenceNumber != nil
}

// look updates the known shards and starts those that are ready. same is false if
// the stream was replaced.
func (f *following) look(run, work context.Context) (same bool, err error) {
	m := f.mapping
	// List the shards first, then check the stream: the listed shards are then
	// known to belong to it.
	listed, err := m.list(run)
	if err != nil {
		return false, err
	}
	id, err := m.describe(run)
	if err != nil || !id.same(f.store.identity) {
		return false, err
	}
	exists := map[string]bool{}
	for _, d := range listed {
		exists[aws.ToString(d.ShardId)] = true
	}
	m.mu.Lock()
	for id, s := range m.shards { // a running shard stays until its reader has noticed
		if !exists[id] && (s.state == finished || s.state == waiting) {
			delete(m.shards, id)
		}
	}
	m.mu.Unlock()
	for _, d := range listed {
		f.know(d)
	}
	f.startReady(run, work)
	if err := f.store.keepOnly(func(shard string) bool { return exists[shard] }); err != nil {
		m.trouble("remove old checkpoints", err)
	}
	return true, nil
}

// know adds a new shard with its checkpoint.
func (f *following) know(d types.Shard) {
	m, id := f.mapping, aws.ToString(d.ShardId)
	m.mu.Lock()
	known := m.shards[id] != nil
	m.mu.Unlock()
	if known {
		return
	}
	s := &shard{
		mapping: m, store: f.store, id: id, region: region(f.store.identity.ARN),
		backlog: newBacklog(m.options), state: waiting,
	}
	for _, parent := range []*string{d.ParentShardId, d.AdjacentParentShardId} {
		if parent != nil {
			s.parents = append(s.parents, *parent)
		}
	}
	c, found, err := f.store.load(id)
	s.at, s.checkpoint = f.start(id), c.SequenceNumber
	switch {
	case err != nil: // it was read before; its progress is unknown
		m.trouble("read a checkpoint", err)
		s.at, s.checkpoint = position{kind: types.ShardIteratorTypeTrimHorizon}, ""
	case found && c.Finished:
		s.state = finished
	case found:
		s.at = position{kind: types.ShardIteratorTypeAfterSequenceNumber, number: c.SequenceNumber}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shards[id] = s
}

// start returns where a shard without a checkpoint is read from.
func (f *following) start(id string) position {
	switch {
	case f.origin.Position == AtTimestamp:
		return position{kind: types.ShardIteratorTypeAtTimestamp, time: f.origin.Time}
	case f.origin.Position == Latest && slices.Contains(f.origin.Open, id):
		if f.origin.fresh {
			return position{kind: types.ShardIteratorTypeLatest, time: f.origin.Time}
		}
		// It has no checkpoint because no record arrived before the restart, or
		// none was done.
		return position{kind: types.ShardIteratorTypeAtTimestamp, time: f.origin.Time}
	}
	return position{kind: types.ShardIteratorTypeTrimHorizon}
}

// startReady starts the waiting shards whose parents are finished or expired.
func (f *following) startReady(run, work context.Context) {
	m := f.mapping
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.shards {
		ready := s.state == waiting && !slices.ContainsFunc(s.parents, func(id string) bool {
			p := m.shards[id]
			return p != nil && p.state != finished
		})
		if !ready {
			continue
		}
		s.state = reading
		f.running.Go(func() {
			if s.run(run, work) {
				m.options.Log.Info("shard finished", "shard", s.id)
				signal(m.look)
			}
		})
	}
}

func sortShards(shards []ShardStatus) {
	slices.SortFunc(shards, func(a, b ShardStatus) int { return cmp.Compare(a.ID, b.ID) })
}
