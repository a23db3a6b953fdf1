package applied

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/local/aws/eventsource"
)

type mappings []types.EventSourceMappingConfiguration

func (m mappings) ListEventSourceMappings(context.Context, *lambda.ListEventSourceMappingsInput, ...func(*lambda.Options)) (*lambda.ListEventSourceMappingsOutput, error) {
	return &lambda.ListEventSourceMappingsOutput{EventSourceMappings: m}, nil
}

func TestRead_uses_the_settings_of_the_mapping(t *testing.T) {
	t.Parallel()
	a, err := ReadMapping(t.Context(), mappings{{
		UUID: aws.String("id"), EventSourceArn: aws.String("arn:aws:kinesis:eu-west-1:1:stream/clicks"),
		FunctionArn: aws.String("arn:aws:lambda:eu-west-1:1:function:f"),
		BatchSize:   aws.Int32(200), MaximumBatchingWindowInSeconds: aws.Int32(1), ParallelizationFactor: aws.Int32(2),
		StartingPosition: types.EventSourcePositionTrimHorizon, BisectBatchOnFunctionError: aws.Bool(true),
		MaximumRetryAttempts: aws.Int32(5), MaximumRecordAgeInSeconds: aws.Int32(3600),
		FunctionResponseTypes: []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures},
		DestinationConfig:     &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String("arn:aws:s3:::b")}},
	}}, "f")
	require.NoError(t, err)
	require.Equal(t, Mapping{
		Options: eventsource.Options{
			Stream: "clicks", FunctionARN: "arn:aws:lambda:eu-west-1:1:function:f",
			BatchSize: 200, BatchWindow: time.Second, Parallelization: 2, StartingPosition: eventsource.TrimHorizon,
			ReportBatchItemFailures: true, BisectOnError: true, MaxRetries: 5, MaxRecordAge: time.Hour,
		},
		FailureBucket: "b", FailurePrefix: "aws/lambda/id",
	}, a)
}

func TestRead_maps_the_values_for_always_and_never(t *testing.T) {
	t.Parallel()
	for aws32, want := range map[int32]int{-1: 0, 0: eventsource.NoRetries, 7: 7} {
		a, err := mappingOf(types.EventSourceMappingConfiguration{
			EventSourceArn:       aws.String("arn:aws:kinesis:eu-west-1:1:stream/clicks"),
			MaximumRetryAttempts: &aws32, MaximumRecordAgeInSeconds: aws.Int32(-1),
		})
		require.NoError(t, err)
		require.Equal(t, want, a.Options.MaxRetries)
		require.Zero(t, a.Options.MaxRecordAge)
		require.Empty(t, a.FailureBucket)
	}
}

func TestRead_rejects_a_foreign_mapping(t *testing.T) {
	t.Parallel()
	_, err := ReadMapping(t.Context(), mappings{}, "f")
	require.ErrorContains(t, err, "has 0 event source mappings")
	_, err = ReadMapping(t.Context(), mappings{{EventSourceArn: aws.String("arn:aws:sqs:eu-west-1:1:q")}}, "f")
	require.ErrorContains(t, err, "not a Kinesis stream")
}
