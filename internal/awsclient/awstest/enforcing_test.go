package awstest_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient/awstest"
)

const policy = `{"Version":"2012-10-17","Statement":[
 {"Effect":"Allow","Action":["s3:PutObject","s3:GetObject"],"Resource":"arn:aws:s3:::bucket/mine/*"},
 {"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::bucket","Condition":{"StringLike":{"s3:prefix":["mine/*"]}}},
 {"Effect":"Deny","Action":"s3:PutObject","Resource":"arn:aws:s3:::bucket/mine/locked"},
 {"Effect":"Allow","Action":["kinesis:GetRecords","kinesis:GetShardIterator"],"Resource":"arn:aws:kinesis:us-east-1:000000000000:stream/mine"},
 {"Effect":"Allow","Action":"glue:GetJobRuns","Resource":"arn:aws:glue:us-east-1:000000000000:job/mine"},
 {"Effect":"Allow","Action":"firehose:PutRecordBatch","Resource":"arn:aws:firehose:us-east-1:000000000000:deliverystream/mine"}]}`

// harness is an emulator with a role, and clients that use its credentials.
type harness struct {
	endpoint string
	as       func(aws.Credentials) aws.Config
	role     aws.Credentials
}

func newHarness(t *testing.T) harness {
	endpoint := awstest.Enforcing(t)
	require.NoError(t, awstest.MakeRole(t.Context(), endpoint, awstest.Root, "component", "lambda.amazonaws.com", policy))
	role, err := awstest.AssumeRole(t.Context(), endpoint, awstest.Root, awstest.RoleARN("component"))
	require.NoError(t, err)
	return harness{endpoint, func(c aws.Credentials) aws.Config {
		return aws.Config{
			Region: "us-east-1", BaseEndpoint: &endpoint, RetryMaxAttempts: 1,
			Credentials: credentials.StaticCredentialsProvider{Value: c},
		}
	}, role}
}

func bucket(c aws.Config) *s3.Client {
	return s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true })
}

func requireCode(t *testing.T, code string, err error) {
	t.Helper()
	var refused smithy.APIError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, code, refused.ErrorCode(), err)
}

// TestEnforcing verifies what decision 0023 states about the emulator.
func TestEnforcing(t *testing.T) {
	t.Parallel()
	r := newHarness(t)
	root, role := r.as(awstest.Root), r.as(r.role)
	ctx := t.Context()
	_, err := bucket(root).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("bucket")})
	require.NoError(t, err)

	t.Run("it allows only what the role's policy allows", func(t *testing.T) {
		put := func(key string) error {
			_, err := bucket(role).PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: &key})
			return err
		}
		require.NoError(t, put("mine/dt=1/a b"))
		requireCode(t, "AccessDenied", put("other/x"))
		requireCode(t, "AccessDenied", put("mine/locked"))
		list := func(prefix string) error {
			_, err := bucket(role).ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("bucket"), Prefix: &prefix})
			return err
		}
		require.NoError(t, list("mine/"))
		requireCode(t, "AccessDenied", list("other/"))
	})
	t.Run("it names the denied action", func(t *testing.T) {
		_, err := glue.NewFromConfig(role).GetJobRuns(ctx, &glue.GetJobRunsInput{JobName: aws.String("other")})
		requireCode(t, "AccessDeniedException", err)
		assert.ErrorContains(t, err, "is not authorized to perform: glue:GetJobRuns because no identity-based policy allows")
		_, err = glue.NewFromConfig(role).GetJobRuns(ctx, &glue.GetJobRunsInput{JobName: aws.String("mine")})
		require.NoError(t, err, "the emulator has no jobs, and none are needed")
		_, err = firehose.NewFromConfig(role).DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: aws.String("mine")})
		requireCode(t, "AccessDeniedException", err)
	})
	t.Run("it checks stream reads against any stream unless the call names one", func(t *testing.T) {
		name, arn := aws.String("mine"), aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/mine")
		_, err := kinesis.NewFromConfig(root).CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1)})
		require.NoError(t, err)
		k := kinesis.NewFromConfig(role)
		it, err := k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
			StreamName: name, ShardId: aws.String("shardId-000000000000"), ShardIteratorType: kinesistypes.ShardIteratorTypeTrimHorizon,
		})
		require.NoError(t, err)
		_, err = k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator})
		requireCode(t, "AccessDeniedException", err)
		_, err = k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator, StreamARN: arn})
		require.NoError(t, err)
	})
	t.Run("it verifies the signature", func(t *testing.T) {
		for code, c := range map[string]aws.Credentials{
			"SignatureDoesNotMatch": {AccessKeyID: r.role.AccessKeyID, SecretAccessKey: "wrong", SessionToken: r.role.SessionToken},
			"InvalidAccessKeyId":    {AccessKeyID: "AKIAUNKNOWN", SecretAccessKey: "wrong"},
		} {
			_, err := bucket(r.as(c)).PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("mine/x")})
			requireCode(t, code, err)
		}
		_, err := awstest.AssumeRole(ctx, r.endpoint, r.role, awstest.RoleARN("component"))
		require.ErrorContains(t, err, "not authorized to perform: sts:AssumeRole")
	})
}
