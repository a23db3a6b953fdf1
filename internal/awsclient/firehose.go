package awsclient

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
)

// Limits of one record and one call of Firehose.
const (
	MaxDeliveryRecord = 1000 << 10 // bytes

	maxDeliverRecords = 500
	maxDeliverBytes   = 4 << 20
)

// Firehose puts records on delivery streams.
type Firehose struct{ client *firehose.Client }

// NewFirehose returns a client.
func NewFirehose(c Config) *Firehose {
	return &Firehose{client: firehose.NewFromConfig(c.aws, func(o *firehose.Options) {
		if c.options.FirehoseEndpoint != "" {
			o.BaseEndpoint = aws.String(c.options.FirehoseEndpoint)
		}
	})}
}

// Put puts records on a delivery stream, in calls of at most 500 records and
// 4 MiB. A call can succeed for some of its records: only those that failed are
// sent again, after a jittered pause, for as long as ctx allows. It returns the
// indexes of the records that are not known to be there, in order, and why not; a
// call that fails as a whole has been retried by the SDK already, and the calls
// after it are not made.
//
// A record of more than MaxDeliveryRecord bytes is refused with its index before
// anything is sent (ErrTooLarge).
func (f *Firehose) Put(ctx context.Context, stream string, records [][]byte) (failed []int, err error) {
	left := make([]int, len(records))
	for i, r := range records {
		if left[i] = i; len(r) > MaxDeliveryRecord {
			return allOf(records), fmt.Errorf("put record %d of %d bytes to delivery stream %s: %w", i, len(r), stream, ErrTooLarge)
		}
	}
	pause := putPause
	for len(left) > 0 {
		n := deliverable(records, left)
		behind, err := f.call(ctx, stream, records, left[:n])
		if behind == nil && err == nil {
			left, pause = left[n:], putPause
			continue
		}
		if behind == nil { // the call failed as a whole
			return sorted(left), err
		}
		left = append(behind, left[n:]...)
		if late := waitFor(ctx, pause/2+rand.N(pause/2)); late != nil {
			return sorted(left), fmt.Errorf("put to delivery stream %s: %w (%w)", stream, late, err)
		}
		pause = min(2*pause, maxPutPause)
	}
	return nil, nil
}

// waitFor pauses. It returns an error when ctx ends, at once when it would end
// during the pause: what is left of the time is for telling the caller.
func waitFor(ctx context.Context, pause time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
		return context.DeadlineExceeded
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}

// deliverable is how many of the records left make up one call.
func deliverable(records [][]byte, left []int) (n int) {
	bytes := 0
	for n < len(left) && n < maxDeliverRecords {
		if bytes += len(records[left[n]]); bytes > maxDeliverBytes {
			break // not at the first: a record is smaller than a call
		}
		n++
	}
	return n
}

// call puts some records. It returns those that failed with the error of one of
// them, or no records and the error of the call.
func (f *Firehose) call(ctx context.Context, stream string, records [][]byte, taken []int) (behind []int, err error) {
	in := &firehose.PutRecordBatchInput{DeliveryStreamName: &stream, Records: make([]types.Record, len(taken))}
	for i, n := range taken {
		in.Records[i].Data = records[n]
	}
	out, err := f.client.PutRecordBatch(ctx, in)
	if err == nil && len(out.RequestResponses) != len(taken) {
		err = fmt.Errorf("%d results for %d records", len(out.RequestResponses), len(taken))
	}
	if err != nil {
		return nil, translate(err, "put %d records to delivery stream %s", len(taken), stream)
	}
	for i, r := range out.RequestResponses {
		if r.ErrorCode != nil {
			behind = append(behind, taken[i])
			err = errors.New(*r.ErrorCode + ": " + aws.ToString(r.ErrorMessage))
		}
	}
	return behind, err
}

func allOf(records [][]byte) []int {
	out := make([]int, len(records))
	for i := range out {
		out[i] = i
	}
	return out
}

func sorted(indexes []int) []int {
	out := slices.Clone(indexes)
	slices.Sort(out)
	return out
}
