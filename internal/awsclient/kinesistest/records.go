package kinesistest

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const iteratorLife = 5 * time.Minute

// PutRecords implements the SDK's client.
func (s *Server) PutRecords(_ context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	return call(s, "PutRecords", in.StreamName, in.StreamARN, func(st *stream) (*kinesis.PutRecordsOutput, error) {
		if err := checkPut(in.Records); err != nil {
			return nil, err
		}
		out := &kinesis.PutRecordsOutput{FailedRecordCount: aws.Int32(0)}
		for _, entry := range in.Records {
			out.Records = append(out.Records, s.put(st, entry))
			if out.Records[len(out.Records)-1].ErrorCode != nil {
				*out.FailedRecordCount++
			}
		}
		return out, nil
	})
}

func checkPut(records []types.PutRecordsRequestEntry) error {
	if n := len(records); n < 1 || n > maxPutRecords {
		return failure("InvalidArgumentException", "%d records", n)
	}
	total := 0
	for i, entry := range records {
		key := aws.ToString(entry.PartitionKey)
		size := len(entry.Data) + len(key)
		if key == "" || size > maxRecord {
			return failure("InvalidArgumentException", "record %d has a key of %d and %d bytes", i, len(key), size)
		}
		total += size
	}
	if total > maxBytes {
		return failure("InvalidArgumentException", "%d bytes", total)
	}
	return nil
}

// put accepts one record, or returns the fault that a test injected.
func (s *Server) put(st *stream, entry types.PutRecordsRequestEntry) types.PutRecordsResultEntry {
	sh, code := st.shardOf(entry), ""
	if len(s.putFaults) > 0 {
		code, s.putFaults = s.putFaults[0], s.putFaults[1:]
	} else if s.onPut != nil {
		code = s.onPut(sh.id, *entry.PartitionKey)
	}
	if code != "" {
		s.inject(Fault("record", code))
		return types.PutRecordsResultEntry{ErrorCode: &code, ErrorMessage: aws.String("injected fault")}
	}
	r := types.Record{
		SequenceNumber: aws.String(s.nextSequence()), PartitionKey: entry.PartitionKey,
		Data: append([]byte{}, entry.Data...), ApproximateArrivalTimestamp: aws.Time(now()),
	}
	sh.records = append(sh.records, r)
	return types.PutRecordsResultEntry{SequenceNumber: r.SequenceNumber, ShardId: aws.String(sh.id)}
}

// iterator is a position: the first record with a number greater than After, or
// equal to it.
type iterator struct {
	Stream, Shard, After string
	Made, Issued, Epoch  int64
}

func (it iterator) String() string {
	return fmt.Sprintf("%s/%s/%s/%d/%d/%d", it.Stream, it.Shard, it.After, it.Made, it.Issued, it.Epoch)
}

func parseIterator(text string) (it iterator, err error) {
	_, err = fmt.Sscan(strings.ReplaceAll(text, "/", " "), &it.Stream, &it.Shard, &it.After, &it.Made, &it.Issued, &it.Epoch)
	return it, err
}

// beginning is below every sequence number.
const beginning = "0"

// GetShardIterator implements the SDK's client.
func (s *Server) GetShardIterator(_ context.Context, in *kinesis.GetShardIteratorInput, _ ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error) {
	return call(s, "GetShardIterator", in.StreamName, in.StreamARN, func(st *stream) (*kinesis.GetShardIteratorOutput, error) {
		sh := st.find(aws.ToString(in.ShardId))
		if sh == nil {
			return nil, failure("ResourceNotFoundException", "no shard %s", aws.ToString(in.ShardId))
		}
		number := aws.ToString(in.StartingSequenceNumber)
		// A sequence number of a deleted stream is greater than all numbers of this
		// one.
		if number != "" && number > fmt.Sprintf("49%054d", s.sequence) {
			return nil, failure("InvalidArgumentException", "the sequence number is not of this shard")
		}
		after := beginning
		switch in.ShardIteratorType {
		case types.ShardIteratorTypeTrimHorizon:
		case types.ShardIteratorTypeLatest:
			after = fmt.Sprintf("49%054d", s.sequence)
		case types.ShardIteratorTypeAfterSequenceNumber:
			after = number
		case types.ShardIteratorTypeAtSequenceNumber:
			after = before(sh, func(r types.Record) bool { return *r.SequenceNumber >= number })
		case types.ShardIteratorTypeAtTimestamp:
			after = before(sh, func(r types.Record) bool { return !r.ApproximateArrivalTimestamp.Before(aws.ToTime(in.Timestamp)) })
		default:
			return nil, failure("InvalidArgumentException", "iterator type %q", in.ShardIteratorType)
		}
		if after == "" {
			return nil, failure("InvalidArgumentException", "no sequence number")
		}
		return &kinesis.GetShardIteratorOutput{ShardIterator: s.iterator(st, sh, after)}, nil
	})
}

// before returns the number of the last record that does not match, where all later
// ones match.
func before(sh *shard, qualifies func(types.Record) bool) string {
	n := sort.Search(len(sh.records), func(i int) bool { return qualifies(sh.records[i]) })
	if n == 0 {
		return beginning
	}
	return *sh.records[n-1].SequenceNumber
}

func (s *Server) iterator(st *stream, sh *shard, after string) *string {
	return aws.String(iterator{st.name, sh.id, after, st.made.UnixMilli(), now().UnixMilli(), s.epoch}.String())
}

// GetRecords implements the SDK's client.
func (s *Server) GetRecords(_ context.Context, in *kinesis.GetRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	it, bad := parseIterator(aws.ToString(in.ShardIterator))
	return call(s, "GetRecords", &it.Stream, nil, func(st *stream) (*kinesis.GetRecordsOutput, error) {
		if bad != nil {
			return nil, failure("InvalidArgumentException", "not an iterator")
		}
		sh := st.find(it.Shard)
		switch {
		case sh == nil, st.made.UnixMilli() != it.Made:
			return nil, failure("ResourceNotFoundException", "the shard %s is gone", it.Shard)
		case it.Epoch != s.epoch:
			s.inject("iterator expired")
			return nil, failure("ExpiredIteratorException", "the iterator has expired")
		case time.Since(time.UnixMilli(it.Issued)) > iteratorLife:
			return nil, failure("ExpiredIteratorException", "the iterator has expired")
		}
		return s.read(st, sh, it.After, int(aws.ToInt32(in.Limit))), nil
	})
}

func (s *Server) read(st *stream, sh *shard, after string, limit int) *kinesis.GetRecordsOutput {
	if limit == 0 {
		limit = 10_000
	}
	out := &kinesis.GetRecordsOutput{MillisBehindLatest: aws.Int64(0)}
	n := sort.Search(len(sh.records), func(i int) bool { return *sh.records[i].SequenceNumber > after })
	for bytes := 0; n < len(sh.records) && len(out.Records) < limit; n++ {
		r := sh.records[n]
		if bytes += len(r.Data); bytes > maxBytes {
			break
		}
		out.Records = append(out.Records, r)
		after = *r.SequenceNumber
	}
	if n < len(sh.records) {
		out.MillisBehindLatest = aws.Int64(max(1, time.Since(*sh.records[n].ApproximateArrivalTimestamp).Milliseconds()))
	}
	if n == len(sh.records) && sh.end != "" {
		out.ChildShards = st.children(sh.id)
		return out
	}
	out.NextShardIterator = s.iterator(st, sh, after)
	return out
}
