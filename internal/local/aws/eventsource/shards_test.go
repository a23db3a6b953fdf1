package eventsource

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/recflow/recflow/internal/awsclient/kinesistest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, runChild(dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, // except the idle connections of SDK clients
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

func flat(calls [][]string) []string { return slices.Concat(calls...) }

func TestMapping_resumes_at_its_checkpoint(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	f.put("a/0", "b/0", "c/0", "d/0")
	f.start()
	f.done(4)
	f.stop()
	f.put("a/1")
	f.start()
	f.done(1)
	require.Equal(t, "a/1", flat(f.seen())[4])
	require.Len(t, flat(f.seen()), 5)
}

func TestMapping_drains_a_shard_before_its_children(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	g := &gate{}
	f.replies = func(_ int, b batch) ([]byte, string, error) {
		g.wait(b)
		return nil, "", nil
	}
	roots := f.server.Shards(streamName, true)
	f.put("a/0", "b/0", "c/0", "d/0", "e/0", "f/0") // in both shards
	require.NoError(t, f.server.Merge(streamName, roots[1], roots[0]))
	f.put("a/1")
	require.NoError(t, f.server.Split(streamName, f.server.Shards(streamName, true)[0]))
	f.put("a/2")
	f.start()
	f.eventually(func() bool { return g.held() == 2 }, "both parents")
	states := func() (all []string) {
		for _, s := range f.Mapping.Status().Shards {
			all = append(all, s.State)
		}
		return all
	}
	f.eventually(func() bool {
		return slices.Equal(states(), []string{draining, draining, waiting, waiting, waiting})
	}, "waiting children")
	first := f.seen()[0][0]
	require.True(t, g.open(first))
	f.eventually(func() bool { return slices.Contains(states(), finished) }, "one parent finished")
	require.Len(t, f.seen(), 2, "the other parent is not finished")
	require.True(t, g.open(f.seen()[1][0]))
	f.eventually(func() bool { return g.open("a/1") }, "the child of the merge")
	f.eventually(func() bool { return g.open("a/2") }, "the grandchild")
	f.done(8)
	f.eventually(func() bool {
		return slices.Equal(states(), []string{finished, finished, finished, reading, reading})
	}, "the grandchildren are read")

	f.stop()
	f.start() // finished shards stay finished
	f.eventually(func() bool {
		return slices.Equal(states(), []string{finished, finished, finished, reading, reading})
	}, "the same after a restart")
	require.Len(t, flat(f.seen()), 8)
}

func TestMapping_starts_at_LATEST_and_skips_no_later_record(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	f.options.StartingPosition = Latest
	f.put("a/old", "b/old", "c/old")
	roots := f.server.Shards(streamName, true)
	require.NoError(t, f.server.Split(streamName, roots[0]))
	f.put("a/old", "b/old", "c/old")
	f.server.Backdate(streamName, time.Minute)
	f.start()
	f.eventually(func() bool { return f.server.Calls("GetRecords") > 6 }, "reads")
	f.put("a/1")
	f.done(1)
	f.stop()
	f.put("b/1", "c/1") // shards without a checkpoint, while nothing runs
	f.start()
	f.done(2)
	require.ElementsMatch(t, []string{"a/1", "b/1", "c/1"}, flat(f.seen()))
	for _, id := range f.server.Shards(streamName, true) {
		require.NoError(t, f.server.Split(streamName, id))
	}
	f.put("a/2", "b/2", "c/2")
	f.done(5)
	require.Len(t, flat(f.seen()), 6)
}

func TestMapping_starts_at_a_timestamp(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.put("a/old")
	f.server.Backdate(streamName, time.Minute)
	f.options.StartingPosition, f.options.StartingTime = AtTimestamp, time.Now().Add(-time.Second)
	f.put("a/new")
	f.start()
	f.done(1)
	require.Equal(t, []string{"a/new"}, flat(f.seen()))
}

func (f *fixture) recreate(shards int32) {
	ctx := context.Background()
	_, err := f.server.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: aws.String(streamName)})
	require.NoError(f.t, err)
	_, err = f.server.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(streamName), ShardCount: &shards})
	require.NoError(f.t, err)
}

func TestMapping_reads_a_recreated_stream_from_its_beginning(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.options.StartingPosition = Latest
	f.start()
	f.eventually(func() bool { return f.server.Calls("GetRecords") > 2 }, "reads")
	f.put("a/0")
	f.done(1)
	f.stop()
	f.recreate(2)
	f.put("a/1") // before anything looks at the new stream
	f.start()
	f.done(1)
	folders := func() []string {
		dirs, err := filepath.Glob(filepath.Join(f.options.CheckpointDir, "events-*"))
		require.NoError(t, err)
		return dirs
	}
	second := folders()
	require.Len(t, second, 1, "progress on the earlier stream is removed")
	f.recreate(1) // under a running mapping
	f.put("a/2")
	f.done(2)
	// A record may be read before the mapping notices that the stream was replaced.
	require.Equal(t, []string{"a/0", "a/1", "a/2"}, slices.Compact(flat(f.seen())), "at least once each, in order")
	f.eventually(func() bool { return len(folders()) == 1 && folders()[0] != second[0] }, "progress on the new stream")
}

func TestMapping_rereads_records_when_checkpoints_are_damaged(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"shardId-000000000000.json", originName} {
		f := newFixture(t, 1)
		f.injects("checkpoint damaged")
		f.options.StartingPosition = Latest
		f.start()
		f.eventually(func() bool { return f.server.Calls("GetRecords") > 2 }, "reads")
		f.put("a/0")
		f.done(1)
		f.stop()
		files, err := filepath.Glob(filepath.Join(f.options.CheckpointDir, "events-*", name))
		require.NoError(t, err)
		require.Len(t, files, 1)
		require.NoError(t, os.WriteFile(files[0], []byte("{"), 0o600))
		f.faults.Inject("checkpoint damaged")
		f.put("a/1")
		f.start()
		f.done(1)
		require.Contains(t, flat(f.seen()), "a/1")
	}
}

func TestMapping_retries_errors_of_Kinesis(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	f.injects("iterator expired")
	f.fail("DescribeStreamSummary", "LimitExceededException", "ResourceNotFoundException")
	f.fail("ListShards", "LimitExceededException", "InternalFailure")
	f.fail("GetShardIterator", "InternalFailure", "ProvisionedThroughputExceededException", "ResourceNotFoundException")
	f.fail("GetRecords", "ProvisionedThroughputExceededException", "ExpiredIteratorException", "InternalFailure", "ResourceNotFoundException")
	f.put("a/0", "b/0", "c/0", "d/0")
	f.start()
	f.done(4)
	f.server.ExpireIterators()
	f.put("a/1", "b/1", "c/1", "d/1")
	f.done(8)
	require.Len(t, flat(f.seen()), 8, "nothing twice")
	require.NotZero(t, f.Mapping.Status().Counts.ReadErrors)
	require.NotEmpty(t, f.Mapping.Status().LastError)
}

func TestMapping_does_not_skip_at_LATEST_when_its_first_iterator_expires(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.injects(kinesistest.Fault("GetRecords", "ExpiredIteratorException"))
	f.options.StartingPosition = Latest
	f.start()
	f.eventually(func() bool { return f.server.Calls("GetRecords") > 2 }, "reads")
	f.server.OnCall(func(operation string) string {
		if operation == "GetRecords" {
			return "ExpiredIteratorException"
		}
		return ""
	})
	failures := func(n int) {
		seen := f.server.Calls("GetRecords")
		f.eventually(func() bool { return f.server.Calls("GetRecords") >= seen+n }, "failures")
	}
	failures(2)
	f.put("a/0")
	failures(3) // each with its own iterator
	f.server.OnCall(nil)
	f.done(1)
}

func TestMapping_skips_shards_removed_by_retention(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	unreadable := kinesistest.Fault("GetRecords", "InternalFailure")
	f.injects(unreadable)
	var down atomic.Bool
	f.server.OnCall(func(operation string) string {
		if operation == "GetRecords" && down.Load() {
			return "InternalFailure"
		}
		return ""
	})
	f.put("a/0")
	f.start()
	f.done(1)
	down.Store(true)
	f.eventually(func() bool { return f.faults.Injected(unreadable) > 0 }, "a read that fails")
	f.put("a/lost")
	require.NoError(t, f.server.Split(streamName, f.server.Shards(streamName, true)[0]))
	f.server.Trim(streamName, time.Now().Add(time.Second)) // all of them
	f.put("a/1")
	down.Store(false)
	f.done(2)
	require.Equal(t, []string{"a/0", "a/1"}, flat(f.seen()))
}

func TestMapping_finishes_running_invocations_when_it_stops(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.options.BatchSize = 1
	g := &gate{}
	f.replies = func(_ int, b batch) ([]byte, string, error) {
		g.wait(b)
		return nil, "", nil
	}
	f.put("a/0", "a/1")
	f.start()
	f.eventually(func() bool { return g.held() == 1 }, "an invocation")
	f.cancel()
	require.True(t, g.open("a/0"))
	f.stop()
	require.Equal(t, [][]string{{"a/0"}}, f.seen(), "no new invocation")
	f.replies = nil
	f.start()
	f.done(1)
	require.Equal(t, [][]string{{"a/0"}, {"a/1"}}, f.seen())
}

func TestMapping_does_not_finish_a_shard_that_is_stopped_before_its_last_record(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.options.BatchSize = 1
	g := &gate{}
	f.replies = func(_ int, b batch) ([]byte, string, error) {
		g.wait(b)
		return nil, "", nil
	}
	f.put("a/0", "a/1")
	require.NoError(t, f.server.Split(streamName, f.server.Shards(streamName, true)[0]))
	f.start()
	f.eventually(func() bool {
		shards := f.Mapping.Status().Shards
		return len(shards) > 0 && shards[0].State == draining && g.held() == 1
	}, "the end of the shard")
	f.cancel()
	require.True(t, g.open("a/0"))
	f.stop()
	require.Len(t, f.seen(), 1)
	f.replies = nil
	f.start()
	f.eventually(func() bool { return slices.Contains(flat(f.seen()), "a/1") }, "the last record")
}

func TestMapping_cancels_invocations_after_the_stop_timeout_without_counting_them(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.destination()
	f.options.MaxRetries, f.options.StopTimeout = NoRetries, 5*time.Millisecond
	called := make(chan struct{}, 1)
	f.options.Function = func(ctx context.Context, _ []byte) ([]byte, string, error) {
		called <- struct{}{}
		<-ctx.Done()
		return nil, "Unhandled", nil // killed by the host
	}
	f.put("a/0")
	f.start()
	<-called
	f.stop()
	require.Empty(t, f.bucket.objects)
	f.options.Function = f.function
	f.start()
	f.done(1)
	require.Equal(t, [][]string{{"a/0"}}, f.seen())
}

func TestMapping_locks_its_checkpoints(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	f.put("a")
	f.start()
	f.done(1)
	second, err := New(f.options)
	require.NoError(t, err)
	require.ErrorContains(t, second.Run(t.Context()), "another mapping")
}

func TestMapping_waits_for_its_stream(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	_, err := f.server.DeleteStream(t.Context(), &kinesis.DeleteStreamInput{StreamName: aws.String(streamName)})
	require.NoError(t, err)
	f.start()
	f.eventually(func() bool { return f.Mapping.Status().LastError != "" }, "an error")
	require.Equal(t, "starting", f.Mapping.Status().State)
	_, err = f.server.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String(streamName), ShardCount: aws.Int32(1)})
	require.NoError(t, err)
	f.put("a")
	f.done(1)
}
