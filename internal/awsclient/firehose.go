package awsclient

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
)

// Limits of one Firehose record and one call.
const (
	MaxDeliveryRecord = 1000 << 10 // bytes

	maxDeliverRecords = 500
	maxDeliverBytes   = 4 << 20
)

// Firehose writes records to delivery streams.
type Firehose struct{ client *firehose.Client }

// NewFirehose returns a client.
func NewFirehose(c Config) *Firehose {
	return &Firehose{client: firehose.NewFromConfig(c.aws, func(o *firehose.Options) {
		if c.options.FirehoseEndpoint != "" {
			o.BaseEndpoint = aws.String(c.options.FirehoseEndpoint)
		}
	})}
}

// Put writes records to a delivery stream, in calls of at most 500 records and 4
// MiB. A call can fail for some of its records: only those are sent again, after a
// jittered pause, until ctx ends. It returns the indexes of the records not known
// to be written, in order, and the error. The SDK has already retried a call that
// fails as a whole; no further calls are made after one.
//
// A record of more than MaxDeliveryRecord bytes is rejected with its index before
// anything is sent (ErrTooLarge).
func (f *Firehose) Put(ctx context.Context, stream string, records [][]byte) (failed []int, err error) {
	for i, r := range records {
		if len(r) > MaxDeliveryRecord {
			return allOf(records), fmt.Errorf("put record %d of %d bytes to delivery stream %s: %w", i, len(r), stream, ErrTooLarge)
		}
	}
	b := batchPut[[]byte]{
		to: "delivery stream " + stream, maxRecords: maxDeliverRecords, maxBytes: maxDeliverBytes,
		size: func(r []byte) int { return len(r) },
		call: func(ctx context.Context, records [][]byte) ([]PutResult, error) {
			return f.putRecordBatch(ctx, stream, records)
		},
	}
	results, err := b.put(ctx, records)
	for i, r := range results {
		if r.Err != nil {
			failed = append(failed, i)
		}
	}
	return failed, err
}

func (f *Firehose) putRecordBatch(ctx context.Context, stream string, records [][]byte) ([]PutResult, error) {
	in := &firehose.PutRecordBatchInput{DeliveryStreamName: &stream, Records: make([]types.Record, len(records))}
	for i, r := range records {
		in.Records[i].Data = r
	}
	out, err := f.client.PutRecordBatch(ctx, in)
	if err != nil {
		return nil, err
	}
	results := make([]PutResult, len(out.RequestResponses))
	for i, r := range out.RequestResponses {
		if r.ErrorCode != nil {
			results[i].Err = recordError(r.ErrorCode, r.ErrorMessage)
		}
	}
	return results, nil
}

func allOf(records [][]byte) []int {
	out := make([]int, len(records))
	for i := range out {
		out[i] = i
	}
	return out
}
