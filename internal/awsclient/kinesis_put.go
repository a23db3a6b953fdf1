package awsclient

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
)

// Limits of one record and one call. Kinesis itself takes 10 MiB a call and, where
// a stream allows it, 10 MiB a record; but a Lambda invocation takes 6 MB of
// base64, so a larger record could never be handed to a function.
const (
	MaxStreamRecord = 1 << 20 // bytes of data and partition key

	maxPutRecords   = 500
	maxPutBytes     = 5 << 20
	maxPartitionKey = 256 // characters
)

// Pauses after a call with failed records: the first, and the longest.
const (
	putPause    = 50 * time.Millisecond
	maxPutPause = 2 * time.Second
)

// StreamRecord is one record to put.
type StreamRecord struct {
	PartitionKey string // 1 to 256 characters; records of one key keep their order
	Data         []byte
}

// PutResult is what became of one record: where it is, or why it is not known to
// be there.
type PutResult struct {
	Shard          string
	SequenceNumber string
	Err            error
}

// Put puts records and returns one result each, in their order. A call of Kinesis
// can succeed for some of its records: only those that failed are sent again,
// after a jittered pause, for as long as ctx allows. The error is that of the
// first record that could not be put, and nil when all were.
//
// Records of one partition key enter the stream in the order given. Kinesis may
// take a record and refuse the one before it, so a call never holds two of the
// same key: a batch of few keys takes many calls.
//
// A call that fails as a whole has been retried by the SDK already and ends Put.
// Its records may be in the stream although their results say otherwise, and a
// retry by the SDK may have put them twice: consumers tell by the event's id.
//
// A record with a bad key or of more than MaxStreamRecord bytes (ErrTooLarge) is
// refused with its index before anything is sent; there are no results then.
func (k *Kinesis) Put(ctx context.Context, records []StreamRecord) ([]PutResult, error) {
	for i, r := range records {
		if n := utf8.RuneCountInString(r.PartitionKey); n < 1 || n > maxPartitionKey {
			return nil, fmt.Errorf("put record %d to stream %s: partition key of %d characters", i, k.stream, n)
		}
		if n := r.size(); n > MaxStreamRecord {
			return nil, fmt.Errorf("put record %d of %d bytes to stream %s: %w", i, n, k.stream, ErrTooLarge)
		}
	}
	p := newPutting(k, records)
	err := p.run(ctx)
	for i := range p.results {
		if p.results[i].SequenceNumber != "" {
			p.results[i].Err = nil // it failed before it was put
		} else if p.results[i].Err == nil {
			p.results[i].Err = err
		}
	}
	return p.results, err
}

func (r StreamRecord) size() int { return len(r.PartitionKey) + len(r.Data) }

// putting is one Put under way.
type putting struct {
	kinesis *Kinesis
	records []StreamRecord
	results []PutResult

	// queues has the indexes of what is left of each partition key, in order. Its
	// first records may be sent now. The queue whose turn is next comes first.
	queues [][]int
}

func newPutting(k *Kinesis, records []StreamRecord) *putting {
	p := &putting{kinesis: k, records: records, results: make([]PutResult, len(records))}
	byKey := map[string]int{}
	for i, r := range records {
		q, known := byKey[r.PartitionKey]
		if !known {
			q = len(p.queues)
			byKey[r.PartitionKey] = q
			p.queues = append(p.queues, nil)
		}
		p.queues[q] = append(p.queues[q], i)
	}
	return p
}

// run makes calls until everything is put, a call fails as a whole, or ctx ends.
func (p *putting) run(ctx context.Context) error {
	pause := putPause
	for len(p.queues) > 0 {
		taken := p.take()
		failed, err := p.call(ctx, taken)
		if err != nil {
			return err
		}
		if failed == nil {
			pause = putPause
			continue
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("put to stream %s: %w (%w)", p.kinesis.stream, ctx.Err(), failed)
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
		pause = min(2*pause, maxPutPause)
	}
	return nil
}

// take removes the queues whose first records make up the next call.
func (p *putting) take() [][]int {
	n, bytes := 0, 0
	for n < len(p.queues) && n < maxPutRecords {
		if bytes += p.records[p.queues[n][0]].size(); bytes > maxPutBytes {
			break // not at the first: a record is smaller than a call
		}
		n++
	}
	taken := p.queues[:n:n]
	p.queues = p.queues[n:]
	return taken
}

// call puts the first record of each taken queue, and gives back the queues that
// still have records: those with a failed one first, since they are behind. failed
// is the error of one failed record.
func (p *putting) call(ctx context.Context, taken [][]int) (failed, err error) {
	in := &kinesis.PutRecordsInput{StreamName: &p.kinesis.stream}
	for _, q := range taken {
		r := p.records[q[0]]
		in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: &r.PartitionKey, Data: r.Data})
	}
	out, err := p.kinesis.client.PutRecords(ctx, in)
	if err == nil && len(out.Records) != len(taken) {
		err = fmt.Errorf("%d results for %d records", len(out.Records), len(taken))
	}
	if err != nil {
		p.queues = append(taken, p.queues...)
		return nil, translate(err, "put %d records to stream %s", len(taken), p.kinesis.stream)
	}
	var behind, rest [][]int
	for i, q := range taken {
		r := out.Records[i]
		if r.SequenceNumber == nil || r.ErrorCode != nil {
			failed = &smithy.GenericAPIError{Code: aws.ToString(r.ErrorCode), Message: aws.ToString(r.ErrorMessage)}
			p.results[q[0]].Err = failed
			behind = append(behind, q)
			continue
		}
		p.results[q[0]] = PutResult{Shard: aws.ToString(r.ShardId), SequenceNumber: *r.SequenceNumber}
		if len(q) > 1 {
			rest = append(rest, q[1:])
		}
	}
	p.queues = append(append(behind, p.queues...), rest...)
	return failed, nil
}
