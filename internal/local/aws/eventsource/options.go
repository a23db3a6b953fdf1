package eventsource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// Limits of AWS. MaxPayload is that of a synchronous invocation.
const (
	MaxBatchSize       = 10_000
	MaxBatchWindow     = 5 * time.Minute
	MaxParallelization = 10
	MaxPayload         = 6 << 20 // bytes
)

// NoRetries as MaxRetries gives up a batch after its first failure.
const NoRetries = -1

// StartingPosition is where a mapping starts on a stream it has no checkpoint of.
type StartingPosition string

// The starting positions of AWS.
const (
	TrimHorizon StartingPosition = "TRIM_HORIZON" // the oldest record there is
	Latest      StartingPosition = "LATEST"       // what arrives after the start
	AtTimestamp StartingPosition = "AT_TIMESTAMP" // what arrived at StartingTime or later
)

// Kinesis is what the mapping needs of Kinesis: the SDK's client, or
// kinesistest's.
type Kinesis interface {
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
}

// Function invokes the function once, synchronously. functionError is set when
// the function was invoked and failed ("Unhandled": an exception, a time-out, a
// death); err when it could not be invoked (throttled, no such function).
type Function func(ctx context.Context, payload []byte) (result []byte, functionError string, err error)

// Putter stores an object, replacing one under the same key.
type Putter interface {
	Put(ctx context.Context, key string, body io.ReadSeeker) error
}

// Destination is the bucket for batches that are given up.
type Destination struct {
	Bucket Putter
	Prefix string // of keys, without a slash at its end, e.g. failed-batches/stream
}

// Options describes one mapping. The zero value of a setting is AWS's default
// unless its comment says otherwise.
type Options struct {
	Kinesis  Kinesis
	Stream   string // name
	Function Function

	// FunctionARN and RoleARN appear in events and failure records.
	FunctionARN, RoleARN string

	BatchSize       int           // records a batch, 1 to 10,000; 0 means 100
	BatchWindow     time.Duration // longest wait for a full batch, up to 5 min; 0: none
	Parallelization int           // batches of one shard at a time, 1 to 10; 0 means 1

	StartingPosition StartingPosition // "" means TRIM_HORIZON (AWS has no default)
	StartingTime     time.Time        // for AT_TIMESTAMP

	ReportBatchItemFailures bool
	BisectOnError           bool

	// MaxRetries is how often a failed batch is tried again; 0 means without
	// limit, which AWS writes as −1; NoRetries means not at all, AWS's 0.
	MaxRetries int

	// MaxRecordAge is the age from which a record is no longer handed to the
	// function; 0 means without limit. AWS allows 1 min to 7 days.
	MaxRecordAge time.Duration

	// OnFailure receives what is given up; nil discards it, as AWS does.
	OnFailure *Destination

	// CheckpointDir holds the progress. One mapping at a time uses it.
	CheckpointDir string

	PollEvery   time.Duration // pause of a reader that has caught up; 0 means 1 s
	ShardsEvery time.Duration // between two looks for new shards; 0 means 10 s

	// RetryFirst and RetryMost bound the pause before a retry, which doubles from
	// one to the other, with jitter; 0 means 100 ms and 10 s. AWS does not document
	// its own.
	RetryFirst, RetryMost time.Duration

	// StopTimeout bounds how long Run waits for invocations under way once its
	// context is done; 0 means 30 s. Invocations are then cancelled.
	StopTimeout time.Duration

	// Log receives what happens, never the content of a record; nil discards it.
	Log *slog.Logger
}

// complete checks o, reporting every mistake at once, and fills in defaults.
func (o Options) complete() (Options, error) {
	o.BatchSize = cmp.Or(o.BatchSize, 100)
	o.Parallelization = cmp.Or(o.Parallelization, 1)
	o.StartingPosition = cmp.Or(o.StartingPosition, TrimHorizon)
	o.PollEvery = cmp.Or(o.PollEvery, time.Second)
	o.ShardsEvery = cmp.Or(o.ShardsEvery, 10*time.Second)
	o.RetryFirst = cmp.Or(o.RetryFirst, 100*time.Millisecond)
	o.RetryMost = cmp.Or(o.RetryMost, 10*time.Second)
	o.StopTimeout = cmp.Or(o.StopTimeout, 30*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.Kinesis != nil, "no Kinesis client")
	check(o.Stream != "", "no stream")
	check(o.Function != nil, "no function")
	check(o.CheckpointDir != "", "no folder for checkpoints")
	check(o.BatchSize >= 1 && o.BatchSize <= MaxBatchSize, "batch size %d is not within 1 and %d", o.BatchSize, MaxBatchSize)
	check(o.BatchWindow >= 0 && o.BatchWindow <= MaxBatchWindow, "batching window %s is not within 0 and %s", o.BatchWindow, MaxBatchWindow)
	check(o.Parallelization >= 1 && o.Parallelization <= MaxParallelization,
		"parallelization factor %d is not within 1 and %d", o.Parallelization, MaxParallelization)
	check(o.MaxRetries >= NoRetries && o.MaxRetries <= 10_000, "maximum retries %d is not within %d and 10000", o.MaxRetries, NoRetries)
	check(o.MaxRecordAge >= 0, "maximum record age %s is negative", o.MaxRecordAge)
	check(o.OnFailure == nil || o.OnFailure.Bucket != nil, "the on-failure destination has no bucket")
	switch o.StartingPosition {
	case TrimHorizon, Latest:
	case AtTimestamp:
		check(!o.StartingTime.IsZero(), "AT_TIMESTAMP needs a starting time")
	default:
		check(false, "starting position %q is unknown", o.StartingPosition)
	}
	if err := errors.Join(errs...); err != nil {
		return o, fmt.Errorf("options of the local event source mapping: %w", err)
	}
	return o, nil
}
