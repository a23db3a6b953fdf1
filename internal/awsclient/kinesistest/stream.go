package kinesistest

import (
	"crypto/md5"
	"fmt"
	"math/big"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// hashKeys is the number of hash keys, 2^128.
var hashKeys = new(big.Int).Lsh(big.NewInt(1), 128)

type stream struct {
	name   string
	made   time.Time
	shards []*shard // in the order of their IDs
	nextID int
}

type shard struct {
	id, parent, adjacent string
	low, high            *big.Int // hash keys, both inclusive
	start, end           string   // sequence numbers; end is empty while the shard is open
	records              []types.Record
}

// create creates a stream with shards of equal ranges. The caller holds s.mu, or
// has the only reference to s.
func (s *Server) create(name string, shards int) {
	made := now()
	if !made.After(s.lastMade) {
		made = s.lastMade.Add(time.Millisecond) // a stream created again is a different one
	}
	s.lastMade = made
	st := &stream{name: name, made: made}
	width := new(big.Int).Div(hashKeys, big.NewInt(int64(shards)))
	low := new(big.Int)
	for i := range shards {
		high := new(big.Int).Add(low, width)
		if i == shards-1 {
			high.Set(hashKeys)
		}
		s.open(st, low, new(big.Int).Sub(high, big.NewInt(1)), "", "")
		low = high
	}
	s.streams[name] = st
}

// open adds a shard to a stream.
func (s *Server) open(st *stream, low, high *big.Int, parent, adjacent string) {
	st.shards = append(st.shards, &shard{
		id: fmt.Sprintf("shardId-%012d", st.nextID), parent: parent, adjacent: adjacent,
		low: low, high: high, start: s.nextSequence(),
	})
	st.nextID++
}

func (st *stream) arn() string { return account + st.name }

func (st *stream) find(id string) *shard {
	for _, sh := range st.shards {
		if sh.id == id {
			return sh
		}
	}
	return nil
}

// shardOf returns the open shard of a record.
func (st *stream) shardOf(entry types.PutRecordsRequestEntry) *shard {
	hash := new(big.Int)
	if entry.ExplicitHashKey != nil {
		hash.SetString(*entry.ExplicitHashKey, 10)
	} else {
		sum := md5.Sum([]byte(aws.ToString(entry.PartitionKey)))
		hash.SetBytes(sum[:])
	}
	for _, sh := range st.shards {
		if sh.end == "" && hash.Cmp(sh.low) >= 0 && hash.Cmp(sh.high) <= 0 {
			return sh
		}
	}
	return nil // cannot happen when ranges cover everything
}

// split closes a shard and replaces it with two, the second starting at a hash key.
func (s *Server) split(st *stream, sh *shard, at *big.Int) error {
	if sh == nil || sh.end != "" {
		return failure("InvalidArgumentException", "the shard to split is not open")
	}
	if at.Cmp(sh.low) <= 0 || at.Cmp(sh.high) > 0 {
		return failure("InvalidArgumentException", "the hash key %s is not inside the shard", at)
	}
	sh.end = s.nextSequence()
	s.open(st, sh.low, new(big.Int).Sub(at, big.NewInt(1)), sh.id, "")
	s.open(st, at, sh.high, sh.id, "")
	return nil
}

// merge closes two adjacent shards and replaces them with one.
func (s *Server) merge(st *stream, a, b *shard) error {
	if a == nil || b == nil || a.end != "" || b.end != "" {
		return failure("InvalidArgumentException", "a shard to merge is not open")
	}
	first, second := a, b
	if first.low.Cmp(second.low) > 0 {
		first, second = b, a
	}
	if new(big.Int).Add(first.high, big.NewInt(1)).Cmp(second.low) != 0 {
		return failure("InvalidArgumentException", "the shards are not adjacent")
	}
	a.end, b.end = s.nextSequence(), s.nextSequence()
	s.open(st, first.low, second.high, a.id, b.id)
	return nil
}

// Split splits an open shard in its middle.
func (s *Server) Split(name, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[name]
	sh := st.find(id)
	if sh == nil {
		return failure("ResourceNotFoundException", "no shard %s", id)
	}
	middle := new(big.Int).Add(sh.low, sh.high)
	return s.split(st, sh, middle.Rsh(middle, 1).Add(middle, big.NewInt(1)))
}

// Merge merges two adjacent open shards.
func (s *Server) Merge(name, a, b string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[name]
	return s.merge(st, st.find(a), st.find(b))
}

// children describes the shards that replaced a shard.
func (st *stream) children(id string) []types.ChildShard {
	var all []types.ChildShard
	for _, sh := range st.shards {
		if sh.parent == id || sh.adjacent == id {
			d := sh.describe()
			parents := []string{sh.parent}
			if sh.adjacent != "" {
				parents = append(parents, sh.adjacent)
			}
			all = append(all, types.ChildShard{ShardId: &sh.id, ParentShards: parents, HashKeyRange: d.HashKeyRange})
		}
	}
	return all
}

func (sh *shard) describe() types.Shard {
	d := types.Shard{
		ShardId:             aws.String(sh.id),
		HashKeyRange:        &types.HashKeyRange{StartingHashKey: aws.String(sh.low.String()), EndingHashKey: aws.String(sh.high.String())},
		SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String(sh.start)},
	}
	if sh.end != "" {
		d.SequenceNumberRange.EndingSequenceNumber = aws.String(sh.end)
	}
	if sh.parent != "" {
		d.ParentShardId = aws.String(sh.parent)
	}
	if sh.adjacent != "" {
		d.AdjacentParentShardId = aws.String(sh.adjacent)
	}
	return d
}
