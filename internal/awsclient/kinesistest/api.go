package kinesistest

import (
	"context"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const (
	maxPutRecords = 500
	maxBytes      = 10 << 20 // of a PutRecords or GetRecords call
	maxRecord     = 1 << 20
	shardsPage    = 1000
)

// call runs an operation on a stream, or returns the fault that a test injected.
func call[T any](s *Server, operation string, name, arn *string, do func(*stream) (T, error)) (T, error) {
	var none T
	if err := s.begin(operation); err != nil {
		return none, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := aws.ToString(name)
	if n == "" {
		n = strings.TrimPrefix(aws.ToString(arn), account)
	}
	st := s.streams[n]
	if st == nil {
		return none, failure("ResourceNotFoundException", "no stream %s", n)
	}
	return do(st)
}

// CreateStream implements the SDK's client.
func (s *Server) CreateStream(_ context.Context, in *kinesis.CreateStreamInput, _ ...func(*kinesis.Options)) (*kinesis.CreateStreamOutput, error) {
	if err := s.begin("CreateStream"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[aws.ToString(in.StreamName)] != nil {
		return nil, failure("ResourceInUseException", "stream %s exists", *in.StreamName)
	}
	shards := int(aws.ToInt32(in.ShardCount))
	if shards < 1 {
		return nil, failure("InvalidArgumentException", "%d shards", shards)
	}
	s.create(*in.StreamName, shards)
	return &kinesis.CreateStreamOutput{}, nil
}

// DeleteStream implements the SDK's client.
func (s *Server) DeleteStream(_ context.Context, in *kinesis.DeleteStreamInput, _ ...func(*kinesis.Options)) (*kinesis.DeleteStreamOutput, error) {
	return call(s, "DeleteStream", in.StreamName, in.StreamARN, func(st *stream) (*kinesis.DeleteStreamOutput, error) {
		delete(s.streams, st.name)
		return &kinesis.DeleteStreamOutput{}, nil
	})
}

// DescribeStreamSummary implements the SDK's client.
func (s *Server) DescribeStreamSummary(_ context.Context, in *kinesis.DescribeStreamSummaryInput, _ ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error) {
	return call(s, "DescribeStreamSummary", in.StreamName, in.StreamARN, func(st *stream) (*kinesis.DescribeStreamSummaryOutput, error) {
		open := int32(0)
		for _, sh := range st.shards {
			if sh.end == "" {
				open++
			}
		}
		return &kinesis.DescribeStreamSummaryOutput{StreamDescriptionSummary: &types.StreamDescriptionSummary{
			StreamName: &st.name, StreamARN: aws.String(st.arn()), StreamStatus: types.StreamStatusActive,
			StreamCreationTimestamp: aws.Time(st.made), OpenShardCount: &open, RetentionPeriodHours: aws.Int32(24),
		}}, nil
	})
}

// ListShards implements the SDK's client.
func (s *Server) ListShards(_ context.Context, in *kinesis.ListShardsInput, _ ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error) {
	name, from, page := in.StreamName, 0, int(aws.ToInt32(in.MaxResults))
	if in.NextToken != nil {
		token, at, _ := strings.Cut(*in.NextToken, "|")
		n, err := strconv.Atoi(at)
		if err != nil || name != nil || in.StreamARN != nil {
			return nil, failure("InvalidArgumentException", "a token must be sent without a stream name")
		}
		name, from = &token, n
	}
	if page == 0 {
		page = shardsPage
	}
	return call(s, "ListShards", name, in.StreamARN, func(st *stream) (*kinesis.ListShardsOutput, error) {
		out := &kinesis.ListShardsOutput{}
		for i := from; i < len(st.shards); i++ {
			if i == from+page {
				out.NextToken = aws.String(fmt.Sprintf("%s|%d", st.name, i))
				break
			}
			out.Shards = append(out.Shards, st.shards[i].describe())
		}
		return out, nil
	})
}

// SplitShard implements the SDK's client.
func (s *Server) SplitShard(_ context.Context, in *kinesis.SplitShardInput, _ ...func(*kinesis.Options)) (*kinesis.SplitShardOutput, error) {
	return call(s, "SplitShard", in.StreamName, in.StreamARN, func(st *stream) (*kinesis.SplitShardOutput, error) {
		at, ok := new(big.Int).SetString(aws.ToString(in.NewStartingHashKey), 10)
		if !ok {
			return nil, failure("InvalidArgumentException", "no hash key")
		}
		return &kinesis.SplitShardOutput{}, s.split(st, st.find(aws.ToString(in.ShardToSplit)), at)
	})
}

// MergeShards implements the SDK's client.
func (s *Server) MergeShards(_ context.Context, in *kinesis.MergeShardsInput, _ ...func(*kinesis.Options)) (*kinesis.MergeShardsOutput, error) {
	return call(s, "MergeShards", in.StreamName, in.StreamARN, func(st *stream) (*kinesis.MergeShardsOutput, error) {
		a, b := st.find(aws.ToString(in.ShardToMerge)), st.find(aws.ToString(in.AdjacentShardToMerge))
		return &kinesis.MergeShardsOutput{}, s.merge(st, a, b)
	})
}
