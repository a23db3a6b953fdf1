package kinesistest_test

import (
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/kinesistest"
	"github.com/recflow/recflow/internal/harnesstest"
)

const name = "events"

// setup returns a server and an SDK client for it.
func setup(t *testing.T, shards int) (*kinesistest.Server, *awsclient.Kinesis) {
	s := kinesistest.New(name, shards)
	return s, s.Client(t, name)
}

func put(t *testing.T, k *awsclient.Kinesis, n int) {
	var records []awsclient.StreamRecord
	for i := range n {
		records = append(records, awsclient.StreamRecord{PartitionKey: fmt.Sprint(i), Data: fmt.Append(nil, i)})
	}
	_, err := k.Put(t.Context(), records)
	require.NoError(t, err)
}

// read returns the data of a shard from a position to its end, and the last page.
func read(t *testing.T, k *awsclient.Kinesis, in kinesis.GetShardIteratorInput, limit int32) (data []string, last *kinesis.GetRecordsOutput) {
	in.StreamName = aws.String(name)
	it, err := k.API().GetShardIterator(t.Context(), &in)
	require.NoError(t, err)
	for next := it.ShardIterator; ; next = last.NextShardIterator {
		last, err = k.API().GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next, Limit: &limit})
		require.NoError(t, err)
		for _, r := range last.Records {
			data = append(data, string(r.Data))
		}
		if last.NextShardIterator == nil || *last.MillisBehindLatest == 0 {
			return data, last
		}
	}
}

func TestServer_reads_from_every_kind_of_position(t *testing.T) {
	t.Parallel()
	s, k := setup(t, 1)
	put(t, k, 5)
	s.Backdate(name, time.Minute)
	middle := time.Now().Add(-time.Second)
	put(t, k, 3)
	stored, shard := s.Records(name), aws.String("shardId-000000000000")
	for kind, c := range map[types.ShardIteratorType]struct {
		in   kinesis.GetShardIteratorInput
		want int
	}{
		types.ShardIteratorTypeTrimHorizon:         {want: 8},
		types.ShardIteratorTypeLatest:              {want: 0},
		types.ShardIteratorTypeAtSequenceNumber:    {in: kinesis.GetShardIteratorInput{StartingSequenceNumber: stored[2].SequenceNumber}, want: 6},
		types.ShardIteratorTypeAfterSequenceNumber: {in: kinesis.GetShardIteratorInput{StartingSequenceNumber: stored[2].SequenceNumber}, want: 5},
		types.ShardIteratorTypeAtTimestamp:         {in: kinesis.GetShardIteratorInput{Timestamp: &middle}, want: 3},
	} {
		c.in.ShardId, c.in.ShardIteratorType = shard, kind
		data, last := read(t, k, c.in, 2)
		require.Len(t, data, c.want, kind)
		require.NotNil(t, last.NextShardIterator, "the shard is open")
	}
}

func TestServer_closes_parents_and_covers_their_range_with_children(t *testing.T) {
	t.Parallel()
	s, k := setup(t, 2)
	put(t, k, 50)
	require.NoError(t, s.Split(name, "shardId-000000000000"))
	put(t, k, 50)
	require.NoError(t, s.Merge(name, "shardId-000000000003", "shardId-000000000001"))
	put(t, k, 50)
	require.Error(t, s.Split(name, "shardId-000000000000"), "it is closed")
	require.Error(t, s.Merge(name, "shardId-000000000002", "shardId-000000000002"))

	var all []types.Shard
	for token := (*string)(nil); ; {
		in := &kinesis.ListShardsInput{NextToken: token, MaxResults: aws.Int32(2)}
		if token == nil {
			in.StreamName = aws.String(name)
		}
		out, err := k.API().ListShards(t.Context(), in)
		require.NoError(t, err)
		all = append(all, out.Shards...)
		if token = out.NextToken; token == nil {
			break
		}
	}
	require.Len(t, all, 5)
	require.Equal(t, "shardId-000000000000", *all[3].ParentShardId)
	require.Equal(t, "shardId-000000000003", *all[4].ParentShardId)
	require.Equal(t, "shardId-000000000001", *all[4].AdjacentParentShardId)

	keys, total := new(big.Int), 0
	for _, d := range all {
		data, last := read(t, k, kinesis.GetShardIteratorInput{ShardId: d.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}, 7)
		total += len(data)
		if d.SequenceNumberRange.EndingSequenceNumber != nil {
			require.Nil(t, last.NextShardIterator)
			require.NotEmpty(t, last.ChildShards)
			continue
		}
		low, _ := new(big.Int).SetString(*d.HashKeyRange.StartingHashKey, 10)
		high, _ := new(big.Int).SetString(*d.HashKeyRange.EndingHashKey, 10)
		keys.Add(keys, high.Sub(high, low)).Add(keys, big.NewInt(1))
	}
	require.Equal(t, 150, total, "no record is lost")
	require.Equal(t, new(big.Int).Lsh(big.NewInt(1), 128), keys, "open shards cover every hash key")
}

func TestServer_injects_faults(t *testing.T) {
	t.Parallel()
	s, k := setup(t, 1)
	s.CountFaults(harnesstest.CountFaults(t, "iterator expired", kinesistest.Fault("ListShards", "LimitExceededException"),
		kinesistest.Fault("ListShards", "InternalFailure"), kinesistest.Fault("PutRecords", "answer lost")))
	put(t, k, 1)
	in := kinesis.GetShardIteratorInput{StreamName: aws.String(name), ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
	it, err := k.API().GetShardIterator(t.Context(), &in)
	require.NoError(t, err)
	s.ExpireIterators()
	_, err = k.API().GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator})
	var expired *types.ExpiredIteratorException
	require.ErrorAs(t, err, &expired)

	once := func(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} }
	s.Fail("ListShards", "LimitExceededException", "InternalFailure")
	list := &kinesis.ListShardsInput{StreamName: aws.String(name)}
	_, err = k.API().ListShards(t.Context(), list, once)
	var limit *types.LimitExceededException
	require.ErrorAs(t, err, &limit)
	_, err = k.API().ListShards(t.Context(), list, once)
	require.ErrorContains(t, err, "StatusCode: 500")

	s.LoseAnswers("PutRecords", 1)
	put(t, k, 1)
	require.Len(t, s.Records(name), 3, "the SDK retried it")
	s.Trim(name, time.Now().Add(time.Hour))
	require.Empty(t, s.Records(name))
	require.Len(t, s.Shards(name, false), 1)
	require.True(t, errors.As(s.Split(name, "none"), new(*types.ResourceNotFoundException)))
}
