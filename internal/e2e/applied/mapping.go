package applied

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

	"github.com/recflow/recflow/internal/local/aws/eventsource"
)

// Mapping is an event source mapping as it exists in an account.
type Mapping struct {
	// Options has the settings that AWS stores; clients, directories and pauses are
	// set by the caller.
	Options eventsource.Options

	// FailureBucket is the name of the bucket for discarded batches, and
	// FailurePrefix where AWS puts them there; empty if they are dropped.
	FailureBucket, FailurePrefix string
}

// Mappings is the part of the Lambda API that ReadMapping uses.
type Mappings interface {
	ListEventSourceMappings(context.Context, *lambda.ListEventSourceMappingsInput, ...func(*lambda.Options)) (*lambda.ListEventSourceMappingsOutput, error)
}

// ReadMapping returns the only mapping from a Kinesis stream to a function.
func ReadMapping(ctx context.Context, client Mappings, function string) (Mapping, error) {
	out, err := client.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{FunctionName: &function})
	if err != nil {
		return Mapping{}, fmt.Errorf("list the event source mappings of %s: %w", function, err)
	}
	if len(out.EventSourceMappings) != 1 {
		return Mapping{}, fmt.Errorf("function %s has %d event source mappings; it needs one", function, len(out.EventSourceMappings))
	}
	return mappingOf(out.EventSourceMappings[0])
}

func mappingOf(m types.EventSourceMappingConfiguration) (Mapping, error) {
	stream, err := arn.Parse(aws.ToString(m.EventSourceArn))
	if err != nil || stream.Service != "kinesis" {
		return Mapping{}, fmt.Errorf("the mapping reads %q, which is not a Kinesis stream", aws.ToString(m.EventSourceArn))
	}
	a := Mapping{Options: eventsource.Options{
		Stream:           strings.TrimPrefix(stream.Resource, "stream/"),
		FunctionARN:      aws.ToString(m.FunctionArn),
		BatchSize:        int(aws.ToInt32(m.BatchSize)),
		BatchWindow:      seconds(m.MaximumBatchingWindowInSeconds),
		Parallelization:  int(aws.ToInt32(m.ParallelizationFactor)),
		StartingPosition: eventsource.StartingPosition(m.StartingPosition),
		StartingTime:     aws.ToTime(m.StartingPositionTimestamp),

		ReportBatchItemFailures: slices.Contains(m.FunctionResponseTypes, types.FunctionResponseTypeReportBatchItemFailures),
		BisectOnError:           aws.ToBool(m.BisectBatchOnFunctionError),
		MaxRetries:              retries(m.MaximumRetryAttempts),
		MaxRecordAge:            max(seconds(m.MaximumRecordAgeInSeconds), 0),
	}}
	if d := m.DestinationConfig; d != nil && d.OnFailure != nil && d.OnFailure.Destination != nil {
		bucket, err := arn.Parse(*d.OnFailure.Destination)
		if err != nil || bucket.Service != "s3" {
			return Mapping{}, fmt.Errorf("the mapping's failure destination %q is not a bucket", *d.OnFailure.Destination)
		}
		a.FailureBucket, a.FailurePrefix = bucket.Resource, path.Join("aws", "lambda", aws.ToString(m.UUID))
	}
	return a, nil
}

// seconds converts AWS's seconds, where −1 is without limit.
func seconds(n *int32) time.Duration { return time.Duration(aws.ToInt32(n)) * time.Second }

// retries converts AWS's number of retries to that of Options.
func retries(n *int32) int {
	switch {
	case n == nil || *n < 0:
		return 0
	case *n == 0:
		return eventsource.NoRetries
	}
	return int(*n)
}
