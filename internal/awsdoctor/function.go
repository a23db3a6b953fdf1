package awsdoctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

type functions interface {
	GetFunctionConfiguration(context.Context, *lambda.GetFunctionConfigurationInput, ...func(*lambda.Options)) (*lambda.GetFunctionConfigurationOutput, error)
	GetEventSourceMapping(context.Context, *lambda.GetEventSourceMappingInput, ...func(*lambda.Options)) (*lambda.GetEventSourceMappingOutput, error)
}

func (d *Doctor) function(ctx context.Context) []Check {
	const name = "function"
	f, err := d.Lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &d.Deployment.Function})
	switch {
	case err != nil:
		return []Check{trouble(name, "lambda:GetFunctionConfiguration", err)}
	case f.State != types.StateActive:
		return []Check{bad(name, "wait a minute when it is Pending; else "+apply, "it is %s: %s", f.State, aws.ToString(f.StateReason))}
	case f.LastUpdateStatus != types.LastUpdateStatusSuccessful:
		return []Check{bad(name, "wait a minute when it is InProgress; else "+apply, "its last update is %s: %s", f.LastUpdateStatus, aws.ToString(f.LastUpdateStatusReason))}
	}
	return []Check{ok(name, "%s is Active", d.Deployment.Function)}
}

// mapping checks the event source mapping. With AWS's defaults a poison record is
// retried until it expires and is then lost.
func (d *Doctor) mapping(ctx context.Context) []Check {
	m, err := d.Lambda.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &d.Deployment.MappingUUID})
	if err != nil {
		return []Check{trouble("mapping", "lambda:GetEventSourceMapping", err)}
	}
	enabled := aws.ToString(m.State) == "Enabled" && aws.ToString(m.EventSourceArn) == d.Deployment.StreamARN
	wrong := d.mappedWrong(m)
	return []Check{
		is("mapping", enabled, "Enabled, "+lastResult(m), fmt.Sprintf("it is %s, from %s", aws.ToString(m.State), aws.ToString(m.EventSourceArn)),
			"enable it: aws lambda update-event-source-mapping --enabled --uuid "+d.Deployment.MappingUUID+"; else "+apply),
		is("mapping settings", len(wrong) == 0, "poison records are isolated and stored in the bucket", strings.Join(wrong, "; "), apply),
		d.failureDestination(ctx),
	}
}

func lastResult(m *lambda.GetEventSourceMappingOutput) string {
	if r := aws.ToString(m.LastProcessingResult); r != "" {
		return "last result: " + r
	}
	return "no records so far"
}

// mappedWrong returns the missing settings. All of them are required.
func (d *Doctor) mappedWrong(m *lambda.GetEventSourceMappingOutput) (wrong []string) {
	not := func(holds bool, what string) {
		if !holds {
			wrong = append(wrong, what)
		}
	}
	not(slices.Contains(m.FunctionResponseTypes, types.FunctionResponseTypeReportBatchItemFailures), "ReportBatchItemFailures is not set")
	not(aws.ToBool(m.BisectBatchOnFunctionError), "bisect on error is off")
	not(m.MaximumRetryAttempts != nil && *m.MaximumRetryAttempts >= 0, "retries are not limited")
	not(m.MaximumRecordAgeInSeconds != nil && *m.MaximumRecordAgeInSeconds > 0, "the maximum record age is not limited")
	to := ""
	if c := m.DestinationConfig; c != nil && c.OnFailure != nil {
		to = aws.ToString(c.OnFailure.Destination)
	}
	not(to == d.Deployment.bucketARN(), "discarded batches do not go to the bucket")
	return wrong
}

// failureDestination checks for discarded batches.
func (d *Doctor) failureDestination(ctx context.Context) Check {
	const name = "failure destination"
	prefix := d.Deployment.failures()
	out, err := d.S3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &d.Deployment.Bucket, Prefix: &prefix})
	if err != nil {
		return trouble(name, "s3:ListBucket", err)
	}
	if len(out.Contents) == 0 {
		return ok(name, "empty: no batch was discarded")
	}
	some := fmt.Sprint(len(out.Contents))
	if aws.ToBool(out.IsTruncated) {
		some += " or more"
	}
	newest := slices.MaxFunc(out.Contents, func(a, b s3types.Object) int { return aws.ToTime(a.LastModified).Compare(aws.ToTime(b.LastModified)) })
	return bad(name, "see docs/runbooks/failure-destination.md", "%s batches were discarded, one at %s, under %s",
		some, aws.ToTime(newest.LastModified).UTC().Format(time.RFC3339), prefix)
}
