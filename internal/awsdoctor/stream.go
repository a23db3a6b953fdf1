package awsdoctor

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

type streams interface {
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
}

func (d *Doctor) stream(ctx context.Context) []Check {
	out, err := d.Kinesis.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &d.Deployment.Stream})
	if err != nil {
		return []Check{trouble("stream", "kinesis:DescribeStreamSummary", err)}
	}
	s := out.StreamDescriptionSummary
	takes := s.StreamStatus == types.StreamStatusActive || s.StreamStatus == types.StreamStatusUpdating
	return []Check{
		is("stream", takes, fmt.Sprintf("%s, %d shards, retention %d h", s.StreamStatus, aws.ToInt32(s.OpenShardCount), aws.ToInt32(s.RetentionPeriodHours)),
			fmt.Sprintf("it is %s and accepts no events", s.StreamStatus), "wait until it is ACTIVE; "+apply),
		is("stream encryption", s.EncryptionType == types.EncryptionTypeKms, "with a KMS key", "events are stored unencrypted", apply),
	}
}
