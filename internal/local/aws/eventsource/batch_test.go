package eventsource

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"
)

func TestMapping_cuts_batches_by_count(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.options.BatchSize = 3
	f.put(ids("k", 0, 7)...)
	f.start()
	f.done(7)
	all := ids("k", 0, 7)
	require.Equal(t, [][]string{all[:3], all[3:6], all[6:]}, f.seen())
}

func TestMapping_waits_for_a_full_batch_or_the_end_of_the_window(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.options.BatchSize, f.options.BatchWindow = 3, MaxBatchWindow
	f.start()
	f.put("k/0")
	f.eventually(func() bool { return f.Mapping.Status().Counts.Read == 1 }, "a read")
	f.put("k/1", "k/2", "k/3")
	f.done(3)
	require.Equal(t, [][]string{{"k/0", "k/1", "k/2"}}, f.seen())
	f.stop()

	f.options.BatchWindow = 20 * time.Millisecond
	f.start()
	f.done(1)
	require.Equal(t, []string{"k/3"}, f.invocations(2)[1])
}

func TestMapping_does_not_wait_for_a_window_when_the_shard_has_ended(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.options.BatchWindow = MaxBatchWindow
	f.put("k/0")
	require.NoError(t, f.server.Split(streamName, f.server.Shards(streamName, true)[0]))
	f.start()
	f.done(1)
}

func TestMapping_keeps_payloads_within_6_MB(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.options.BatchSize, f.options.BatchWindow = MaxBatchSize, MaxBatchWindow
	var largest int
	f.options.Function = func(_ context.Context, payload []byte) ([]byte, string, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		largest = max(largest, len(payload))
		return nil, "", nil
	}
	data := bytes.Repeat([]byte("x"), 700_000)
	for range 15 {
		_, err := f.server.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String(streamName),
			Records: []types.PutRecordsRequestEntry{{PartitionKey: aws.String("k"), Data: data}}})
		require.NoError(t, err)
	}
	require.NoError(t, f.server.Split(streamName, f.server.Shards(streamName, true)[0])) // the last batch is not full
	f.start()
	f.done(15)
	require.LessOrEqual(t, largest, MaxPayload)
	require.Greater(t, largest, MaxPayload*8/10)
	require.EqualValues(t, 3, f.Mapping.Status().Counts.Invocations, "six records of 933 kB per batch")
}

// gate blocks invocations until the test releases them.
type gate struct {
	mu      sync.Mutex
	waiting map[string]chan struct{} // by the first ID of the batch
}

func (g *gate) wait(b batch) {
	g.mu.Lock()
	if g.waiting == nil {
		g.waiting = map[string]chan struct{}{}
	}
	c := make(chan struct{})
	g.waiting[b.ids[0]] = c
	g.mu.Unlock()
	<-c
}

func (g *gate) open(id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.waiting[id]
	if c == nil {
		return false
	}
	delete(g.waiting, id)
	close(c)
	return true
}

func (g *gate) held() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}

// keysOfLanes returns one key for each lane.
func keysOfLanes(n int) []string {
	b := newBacklog(Options{BatchSize: 1, Parallelization: n})
	keys := make([]string, n)
	for i, found := 0, 0; found < n; i++ {
		key := fmt.Sprint("key", i)
		for l := range b.lanes {
			if b.laneOf(key) == b.lanes[l] && keys[l] == "" {
				keys[l] = key
				found++
			}
		}
	}
	return keys
}

func TestMapping_processes_keys_of_a_shard_in_parallel_and_checkpoints_what_is_complete(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.options.Parallelization = 3
	g := &gate{}
	f.replies = func(_ int, b batch) ([]byte, string, error) {
		g.wait(b)
		return nil, "", nil
	}
	keys := keysOfLanes(3)
	f.put(keys[0]+"/0", keys[1]+"/0", keys[2]+"/0", keys[0]+"/1")
	f.start()
	f.eventually(func() bool { return g.held() == 3 }, "three batches at a time")
	checkpoint := func() string { return f.Mapping.Status().Shards[0].Checkpoint }
	stored := f.server.Records(streamName)

	require.True(t, g.open(keys[1]+"/0"))
	require.True(t, g.open(keys[2]+"/0"))
	f.done(2)
	require.Empty(t, checkpoint(), "the first record is not done")
	require.True(t, g.open(keys[0]+"/0") || g.open(keys[0]+"/1"))
	f.eventually(func() bool { return checkpoint() != "" }, "a checkpoint")
	if checkpoint() == *stored[2].SequenceNumber { // the fourth arrived in its own batch
		f.eventually(func() bool { return g.open(keys[0] + "/1") }, "the fourth")
	}
	f.eventually(func() bool { return checkpoint() == *stored[3].SequenceNumber }, "the last checkpoint")
}

func TestMapping_stops_reading_when_too_many_records_are_pending(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.options.BatchSize = 1
	g := &gate{}
	f.replies = func(_ int, b batch) ([]byte, string, error) {
		if b.ids[0] == "a" {
			g.wait(b)
		}
		return nil, "", nil
	}
	f.put("a")
	large := strings.Repeat("x", 1_000_000)
	for range 40 {
		f.put("b/" + large)
	}
	f.start()
	f.eventually(func() bool { return f.Mapping.Status().Counts.Read >= 11 }, "a read")
	f.eventually(func() bool { return f.Mapping.Status().Shards[0].PendingBytes >= 2*MaxPayload }, "a full backlog")
	require.Less(t, f.Mapping.Status().Shards[0].PendingBytes, 2*MaxPayload+14<<20)
	require.Less(t, f.Mapping.Status().Counts.Read, int64(25))
	f.eventually(func() bool { return g.open("a") }, "the first")
	f.done(41)
	require.Zero(t, f.Mapping.Status().Shards[0].PendingBytes)
}

func TestStatus_reports_age_and_progress_as_JSON(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	g := &gate{}
	f.replies = func(_ int, b batch) ([]byte, string, error) {
		g.wait(b)
		return nil, "", nil
	}
	f.put("k")
	f.start()
	f.eventually(func() bool { return f.Mapping.Status().IteratorAgeMS > 5 }, "an age")
	data, err := json.Marshal(f.Mapping.Status())
	require.NoError(t, err)
	require.Contains(t, string(data), `"state":"running"`)
	require.Contains(t, string(data), `"pending":1`)
	f.eventually(func() bool { return g.open("k") }, "the record")
	f.done(1)
	f.eventually(func() bool { return f.Mapping.Status().IteratorAgeMS == 0 }, "no age")
	f.stop()
	require.Equal(t, "stopped", f.Mapping.Status().State)
}

func TestNew_reports_every_mistake(t *testing.T) {
	t.Parallel()
	_, err := New(Options{BatchSize: 10_001, BatchWindow: -1, Parallelization: 11, MaxRetries: -2, StartingPosition: "X"})
	for _, part := range []string{"client", "stream", "function", "checkpoint directory", "10001", "window", "factor 11", "retries -2", `"X"`} {
		require.ErrorContains(t, err, part)
	}
}
