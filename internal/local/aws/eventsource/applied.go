package eventsource

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Applied is a mapping as it was made in an account.
type Applied struct {
	// Options holds the settings that AWS keeps; clients, folders and pauses are
	// the caller's.
	Options Options

	// FailureBucket is the name of the bucket for batches that are given up, and
	// FailurePrefix where AWS puts them there; empty where they are discarded.
	FailureBucket, FailurePrefix string
}

// Mappings is what Read needs of Lambda.
type Mappings interface {
	ListEventSourceMappings(context.Context, *lambda.ListEventSourceMappingsInput, ...func(*lambda.Options)) (*lambda.ListEventSourceMappingsOutput, error)
}

// Read returns the one mapping from a Kinesis stream to a function.
func Read(ctx context.Context, client Mappings, function string) (Applied, error) {
	out, err := client.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{FunctionName: &function})
	if err != nil {
		return Applied{}, fmt.Errorf("list the event source mappings of %s: %w", function, err)
	}
	if len(out.EventSourceMappings) != 1 {
		return Applied{}, fmt.Errorf("function %s has %d event source mappings; it needs one", function, len(out.EventSourceMappings))
	}
	return read(out.EventSourceMappings[0])
}

func read(m types.EventSourceMappingConfiguration) (Applied, error) {
	stream, err := arn.Parse(aws.ToString(m.EventSourceArn))
	if err != nil || stream.Service != "kinesis" {
		return Applied{}, fmt.Errorf("the mapping reads %q, which is no Kinesis stream", aws.ToString(m.EventSourceArn))
	}
	a := Applied{Options: Options{
		Stream:           strings.TrimPrefix(stream.Resource, "stream/"),
		FunctionARN:      aws.ToString(m.FunctionArn),
		BatchSize:        int(aws.ToInt32(m.BatchSize)),
		BatchWindow:      seconds(m.MaximumBatchingWindowInSeconds),
		Parallelization:  int(aws.ToInt32(m.ParallelizationFactor)),
		StartingPosition: StartingPosition(m.StartingPosition),
		StartingTime:     aws.ToTime(m.StartingPositionTimestamp),

		ReportBatchItemFailures: slices.Contains(m.FunctionResponseTypes, types.FunctionResponseTypeReportBatchItemFailures),
		BisectOnError:           aws.ToBool(m.BisectBatchOnFunctionError),
		MaxRetries:              retries(m.MaximumRetryAttempts),
		MaxRecordAge:            max(seconds(m.MaximumRecordAgeInSeconds), 0),
	}}
	if d := m.DestinationConfig; d != nil && d.OnFailure != nil && d.OnFailure.Destination != nil {
		bucket, err := arn.Parse(*d.OnFailure.Destination)
		if err != nil || bucket.Service != "s3" {
			return Applied{}, fmt.Errorf("the mapping's failure destination %q is no bucket", *d.OnFailure.Destination)
		}
		a.FailureBucket, a.FailurePrefix = bucket.Resource, path.Join("aws", "lambda", aws.ToString(m.UUID))
	}
	return a, nil
}

// seconds is a time that AWS counts in seconds, where −1 is without limit.
func seconds(n *int32) time.Duration { return time.Duration(aws.ToInt32(n)) * time.Second }

// retries turns AWS's number into that of Options.
func retries(n *int32) int {
	switch {
	case n == nil || *n < 0:
		return 0
	case *n == 0:
		return NoRetries
	}
	return int(*n)
}
