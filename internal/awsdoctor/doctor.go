package awsdoctor

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Doctor checks a deployment. All fields are required.
type Doctor struct {
	Deployment Deployment
	Region     string // from the caller's own settings; may be empty
	Token      bool   // whether the API accepts the caller's token

	STS        identities
	S3         buckets
	Kinesis    streams
	Firehose   deliveries
	Lambda     functions
	Glue       jobs
	ECS        services
	CloudWatch alarms
	Events     rules
	SNS        topics
	IAM        policies
	API        api
}

// New returns a Doctor with AWS clients. The caller adds the API client.
func New(c aws.Config, d Deployment) *Doctor {
	own := c.Region
	c.Region = d.Region
	return &Doctor{
		Deployment: d, Region: own,
		STS: sts.NewFromConfig(c),
		S3: s3.NewFromConfig(c, func(o *s3.Options) {
			o.UsePathStyle = o.BaseEndpoint != nil // a custom endpoint has no host name per bucket
		}),
		Kinesis: kinesis.NewFromConfig(c), Firehose: firehose.NewFromConfig(c), Lambda: lambda.NewFromConfig(c),
		Glue: glue.NewFromConfig(c), ECS: ecs.NewFromConfig(c), CloudWatch: cloudwatch.NewFromConfig(c),
		Events: eventbridge.NewFromConfig(c), SNS: sns.NewFromConfig(c), IAM: iam.NewFromConfig(c),
	}
}

// Examine runs all checks. Without AWS credentials it checks only the API.
func (d *Doctor) Examine(ctx context.Context) []Check {
	checks, known := d.identity(ctx)
	if known {
		for _, look := range []func(context.Context) []Check{
			d.bucket, d.stream, d.deliveryStreams, d.function, d.mapping, d.job, d.ecsServices, d.alarms, d.rules, d.topic, d.permissions,
		} {
			checks = append(checks, look(ctx)...)
		}
	}
	return append(checks, d.api(ctx)...)
}
