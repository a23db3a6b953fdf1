package awsclient

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Limits of one record and one call. Kinesis accepts 10 MiB per call and, if the
// stream allows it, 10 MiB per record; but a Lambda invocation payload is limited
// to 6 MB of base64, so a larger record could never be delivered to a function.
const (
	MaxStreamRecord = 1 << 20 // bytes of data and partition key

	maxPutRecords   = 500
	maxPutBytes     = 5 << 20
	maxPartitionKey = 256 // characters
)

// StreamRecord is one record to put.
type StreamRecord struct {
	PartitionKey string // 1 to 256 characters; records with the same key keep their order
	Data         []byte
}

// Put writes records and returns one result per record, in order. A call can fail
// for some of its records: only those are sent again, after a jittered pause, until
// ctx ends. The error is nil when all records were written.
//
// Records with the same partition key enter the stream in order. Kinesis may accept
// a record and reject the one before it, so a call never contains two with the same
// key: a batch with few keys takes many calls.
//
// The SDK has already retried a call that fails as a whole, and Put returns after
// one. Its records may be in the stream even if their results have an error, and a
// retry by the SDK may have written them twice: consumers deduplicate by event ID.
//
// A record with an invalid key or of more than MaxStreamRecord bytes (ErrTooLarge)
// is rejected with its index before anything is sent; there are no results then.
func (k *Kinesis) Put(ctx context.Context, records []StreamRecord) ([]PutResult, error) {
	for i, r := range records {
		if n := utf8.RuneCountInString(r.PartitionKey); n < 1 || n > maxPartitionKey {
			return nil, fmt.Errorf("put record %d to stream %s: partition key has %d characters", i, k.stream, n)
		}
		if n := r.size(); n > MaxStreamRecord {
			return nil, fmt.Errorf("put record %d of %d bytes to stream %s: %w", i, n, k.stream, ErrTooLarge)
		}
	}
	b := batchPut[StreamRecord]{
		to: "stream " + k.stream, maxRecords: maxPutRecords, maxBytes: maxPutBytes,
		size: StreamRecord.size,
		key:  func(r StreamRecord) string { return r.PartitionKey },
		call: k.putRecords,
	}
	return b.put(ctx, records)
}

func (r StreamRecord) size() int { return len(r.PartitionKey) + len(r.Data) }

func (k *Kinesis) putRecords(ctx context.Context, records []StreamRecord) ([]PutResult, error) {
	in := &kinesis.PutRecordsInput{StreamName: &k.stream, Records: make([]types.PutRecordsRequestEntry, len(records))}
	for i, r := range records {
		in.Records[i] = types.PutRecordsRequestEntry{PartitionKey: &r.PartitionKey, Data: r.Data}
	}
	out, err := k.client.PutRecords(ctx, in)
	if err != nil {
		return nil, err
	}
	results := make([]PutResult, len(out.Records))
	for i, r := range out.Records {
		if r.SequenceNumber == nil || r.ErrorCode != nil {
			results[i].Err = recordError(r.ErrorCode, r.ErrorMessage)
			continue
		}
		results[i] = PutResult{Shard: aws.ToString(r.ShardId), SequenceNumber: *r.SequenceNumber}
	}
	return results, nil
}
