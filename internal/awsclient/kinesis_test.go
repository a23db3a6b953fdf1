package awsclient_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/kinesistest"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/recsys"
)

const throttled = "ProvisionedThroughputExceededException"

func records(keys ...string) []awsclient.StreamRecord {
	var all []awsclient.StreamRecord
	for i, key := range keys {
		all = append(all, awsclient.StreamRecord{PartitionKey: key, Data: fmt.Append(nil, i)})
	}
	return all
}

// stored returns the contents of a stream as "key=data" by partition key, in order.
func stored(s *kinesistest.Server) map[string][]string {
	all := map[string][]string{}
	for _, r := range s.Records("events") {
		all[*r.PartitionKey] = append(all[*r.PartitionKey], string(r.Data))
	}
	return all
}

func TestKinesis_retries_only_failed_records_and_keeps_the_order_of_a_key(t *testing.T) {
	t.Parallel()
	s := kinesistest.New("events", 2)
	k := s.Client(t, "events")
	s.CountFaults(harnesstest.CountFaults(t, kinesistest.Fault("record", "InternalFailure"), kinesistest.Fault("record", throttled)))
	s.FailRecords("", "InternalFailure", throttled) // a is put, b and c are not

	results, err := k.Put(t.Context(), records("a", "b", "a", "c", "b"))
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"a": {"0", "2"}, "b": {"1", "4"}, "c": {"3"}}, stored(s))
	for i, r := range results {
		require.NoError(t, r.Err, i)
		require.NotEmpty(t, r.SequenceNumber, i)
		require.NotEmpty(t, r.Shard, i)
	}
}

func TestKinesis_keeps_the_order_of_every_key_under_faults(t *testing.T) {
	t.Parallel()
	s := kinesistest.New("events", 3)
	config, err := awsclient.Load(t.Context(), awsclient.OptionsFrom(s.Env(t)))
	require.NoError(t, err)
	s.CountFaults(harnesstest.CountFaults(t, kinesistest.Fault("record", throttled)))
	rapid.Check(t, func(t *rapid.T) {
		name := fmt.Sprintf("s%d", len(s.Streams()))
		k := awsclient.NewKinesis(config, name)
		require.NoError(t, k.EnsureStream(context.Background(), 2))
		keys := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 20).Draw(t, "keys")
		s.FailRecords(rapid.SliceOfN(rapid.SampledFrom([]string{throttled, ""}), 1, 3).Draw(t, "faults")...)
		_, err := k.Put(context.Background(), records(keys...))
		require.NoError(t, err)
		got := map[string][]int{}
		for _, r := range s.Records(name) {
			var i int
			fmt.Sscan(string(r.Data), &i)
			got[*r.PartitionKey] = append(got[*r.PartitionKey], i)
		}
		want := map[string][]int{}
		for i, key := range keys {
			want[key] = append(want[key], i)
		}
		require.Equal(t, want, got)
	})
}

func TestKinesis_reports_unwritten_records_at_the_deadline(t *testing.T) {
	t.Parallel()
	s := kinesistest.New("events", 1)
	k := s.Client(t, "events")
	s.CountFaults(harnesstest.CountFaults(t, kinesistest.Fault("record", throttled)))
	s.OnPut(func(_, key string) string {
		if key == "bad" {
			return throttled
		}
		return ""
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	results, err := k.Put(ctx, records("good", "bad", "bad", "good"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, results[0].Err)
	require.ErrorContains(t, results[1].Err, throttled)
	require.Error(t, results[2].Err, "behind the failed one")
	require.NoError(t, results[3].Err)
	require.Equal(t, map[string][]string{"good": {"0", "3"}}, stored(s))
}

func TestKinesis_leaves_the_retry_of_a_failed_call_to_the_SDK(t *testing.T) {
	t.Parallel()
	s := kinesistest.New("events", 1)
	k := s.Client(t, "events")
	s.CountFaults(harnesstest.CountFaults(t, kinesistest.Fault("PutRecords", throttled), kinesistest.Fault("PutRecords", "InternalFailure"),
		kinesistest.Fault("PutRecords", "InvalidArgumentException")))
	s.Fail("PutRecords", throttled, "InternalFailure")
	_, err := k.Put(t.Context(), records("a"))
	require.NoError(t, err)
	require.Equal(t, 3, s.Calls("PutRecords"))

	s.Fail("PutRecords", "InvalidArgumentException")
	results, err := k.Put(t.Context(), records("a", "b"))
	require.Error(t, err)
	require.Equal(t, 4, s.Calls("PutRecords"))
	require.Error(t, results[0].Err)
	require.Error(t, results[1].Err)
}

func TestKinesis_keeps_within_500_records_and_5_MiB_a_call(t *testing.T) {
	t.Parallel()
	s := kinesistest.New("events", 1)
	k := s.Client(t, "events")
	var many []awsclient.StreamRecord
	for i := range 1001 {
		many = append(many, awsclient.StreamRecord{PartitionKey: fmt.Sprint(i), Data: []byte("x")})
	}
	_, err := k.Put(t.Context(), many)
	require.NoError(t, err)
	require.Equal(t, 3, s.Calls("PutRecords"))
	require.Len(t, s.Records("events"), 1001)

	large := make([]awsclient.StreamRecord, 11)
	for i := range large {
		large[i] = awsclient.StreamRecord{PartitionKey: fmt.Sprintf("k%02d", i), Data: make([]byte, awsclient.MaxStreamRecord-3)}
	}
	_, err = k.Put(t.Context(), large)
	require.NoError(t, err)
	require.Equal(t, 3+3, s.Calls("PutRecords"), "five records of 1 MiB per call")
}

func TestKinesis_refuses_bad_records_before_anything_is_sent(t *testing.T) {
	t.Parallel()
	s := kinesistest.New("events", 1)
	k := s.Client(t, "events")
	large := append(records("a"), awsclient.StreamRecord{PartitionKey: "b", Data: make([]byte, awsclient.MaxStreamRecord)})
	results, err := k.Put(t.Context(), large)
	require.ErrorIs(t, err, awsclient.ErrTooLarge)
	require.ErrorContains(t, err, "record 1")
	require.Nil(t, results)
	for _, key := range []string{"", strings.Repeat("é", 257)} {
		_, err = k.Put(t.Context(), records("a", key))
		require.ErrorContains(t, err, "record 1")
	}
	_, err = k.Put(t.Context(), records(strings.Repeat("é", 256)))
	require.NoError(t, err)
	require.Equal(t, 1, s.Calls("PutRecords"))
}

func TestKinesis_creates_a_stream_once(t *testing.T) {
	t.Parallel()
	s := kinesistest.New("other", 1)
	k := s.Client(t, "events")
	_, err := k.Describe(t.Context())
	require.ErrorIs(t, err, recsys.ErrNotFound)
	require.NoError(t, k.EnsureStream(t.Context(), 3))
	require.NoError(t, k.EnsureStream(t.Context(), 2))
	info, err := k.Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, info.Shards)
	require.True(t, info.Active)
	require.Contains(t, info.ARN, "stream/events")
	require.WithinDuration(t, time.Now(), info.CreatedAt, time.Minute)
	require.Equal(t, 1, s.Calls("CreateStream"))
}
