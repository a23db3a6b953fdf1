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

// NoRetries as MaxRetries discards a batch after its first failure.
const NoRetries = -1

// StartingPosition is where a mapping starts on a stream without checkpoints.
type StartingPosition string

// The starting positions of AWS.
const (
	TrimHorizon StartingPosition = "TRIM_HORIZON" // the oldest record
	Latest      StartingPosition = "LATEST"       // records that arrive after the start
	AtTimestamp StartingPosition = "AT_TIMESTAMP" // records that arrived at StartingTime or later
)

// Kinesis is the part of the Kinesis API that the mapping uses, implemented by the
// SDK's client and by kinesistest.
type Kinesis interface {
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
}

// Function invokes the function once, synchronously. functionError is set when the
// function was invoked and failed ("Unhandled": an exception, a timeout, a crash);
// err when it could not be invoked (throttled, no such function).
type Function func(ctx context.Context, payload []byte) (result []byte, functionError string, err error)

// Putter stores an object, replacing an existing one.
type Putter interface {
	Put(ctx context.Context, key string, body io.ReadSeeker) error
}

// Destination is the bucket for discarded batches.
type Destination struct {
	Bucket Putter
	Prefix string // of keys, without a trailing slash, e.g. aws/lambda/stream
}

// Options describes one mapping. The zero value of a setting is AWS's default
// unless its comment says otherwise.
type Options struct {
	Kinesis  Kinesis
	Stream   string // name
	Function Function

	// FunctionARN and RoleARN appear in events and failure records.
	FunctionARN, RoleARN string

	BatchSize       int           // records per batch, 1 to 10,000; 0 means 100
	BatchWindow     time.Duration // longest wait for a full batch, up to 5 min; 0: none
	Parallelization int           // concurrent batches per shard, 1 to 10; 0 means 1

	StartingPosition StartingPosition // "" means TRIM_HORIZON (AWS has no default)
	StartingTime     time.Time        // for AT_TIMESTAMP

	ReportBatchItemFailures bool
	BisectOnError           bool

	// MaxRetries is how often a failed batch is retried; 0 means without limit
	// (−1 on AWS); NoRetries means never (0 on AWS).
	MaxRetries int

	// MaxRecordAge is the age above which a record is discarded; 0 means without
	// limit. AWS allows 1 min to 7 days.
	MaxRecordAge time.Duration

	// OnFailure receives discarded batches; nil drops them, as AWS does.
	OnFailure *Destination

	// CheckpointDir stores the progress. Only one mapping at a time can use it.
	CheckpointDir string

	PollEvery   time.Duration // pause of a reader at the end of a shard; 0 means 1 s
	ShardsEvery time.Duration // interval of listing shards; 0 means 10 s

	// RetryFirst and RetryMost limit the pause before a retry, which doubles from
	// one to the other, with jitter; 0 means 100 ms and 10 s. AWS does not document
	// its pauses, so a function must also stand RetryAtOnce.
	RetryFirst, RetryMost time.Duration
	RetryAtOnce           bool // retry without a pause when the function was invoked and failed

	// StopTimeout limits how long Run waits for invocations in progress after its
	// context is done; 0 means 30 s. Invocations are then cancelled.
	StopTimeout time.Duration

	// Log receives events, never the content of a record; nil discards them.
	Log *slog.Logger
}

// complete validates o, reporting all mistakes at once, and sets defaults.
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
	check(o.CheckpointDir != "", "no checkpoint directory")
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
