package awsdoctor

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"
)

// tlsOnly is the policy of terraform/modules/storage.
func tlsOnly(bucketARN string) string {
	return strings.ReplaceAll(`{"Version":"2012-10-17","Statement":[{"Sid":"DenyWithoutTLS","Effect":"Deny","Principal":"*","Action":"s3:*",
		"Resource":["BUCKET","BUCKET/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`, "BUCKET", bucketARN)
}

// makeBucket creates the bucket as Terraform does.
func makeBucket(t *testing.T, d *Doctor) *s3.Client {
	t.Helper()
	api, bucket := d.S3.(*s3.Client), &d.Deployment.Bucket
	ctx := t.Context()
	_, err := api.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
	require.NoError(t, err)
	_, err = api.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	require.NoError(t, err)
	require.NoError(t, encrypt(t, api, bucket, types.ServerSideEncryptionAwsKms))
	require.NoError(t, block(t, api, bucket, true))
	_, err = api.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(tlsOnly(d.Deployment.bucketARN()))})
	require.NoError(t, err)
	return api
}

func encrypt(t *testing.T, api *s3.Client, bucket *string, by types.ServerSideEncryption) error {
	_, err := api.PutBucketEncryption(t.Context(), &s3.PutBucketEncryptionInput{Bucket: bucket, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
		Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: by}}},
	}})
	return err
}

func block(t *testing.T, api *s3.Client, bucket *string, policies bool) error {
	_, err := api.PutPublicAccessBlock(t.Context(), &s3.PutPublicAccessBlockInput{Bucket: bucket, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
		BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: &policies, IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
	}})
	return err
}

func TestBucket(t *testing.T) {
	t.Parallel()
	d, _ := newDoctor(t)
	require.Equal(t, map[string]string{"bucket": "it does not exist"}, failed(d.bucket(t.Context())))
	api, bucket := makeBucket(t, d), &d.Deployment.Bucket
	breaks(t, d.bucket, []step{
		{"suspends versioning", func() error {
			_, err := api.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusSuspended}})
			return err
		}, "bucket versioning", "off"},
		{"encrypts with a key of S3", func() error { return encrypt(t, api, bucket, types.ServerSideEncryptionAes256) }, "bucket encryption", "not with"},
		{"accepts a public policy", func() error { return block(t, api, bucket, false) }, "bucket public access", "all four"},
		{"removes the block", func() error {
			_, err := api.DeletePublicAccessBlock(t.Context(), &s3.DeletePublicAccessBlockInput{Bucket: bucket})
			return err
		}, "bucket public access", "not blocked"},
		{"denies only objects without TLS", func() error {
			weak := strings.Replace(tlsOnly(d.Deployment.bucketARN()), `"`+d.Deployment.bucketARN()+`",`, "", 1)
			_, err := api.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &weak})
			return err
		}, "bucket TLS only", "accepts requests without TLS"},
		{"removes the policy", func() error {
			_, err := api.DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: bucket})
			return err
		}, "bucket TLS only", "no policy"},
	})
}

func TestRefusesPlain(t *testing.T) {
	t.Parallel()
	const bucket = "arn:aws:s3:::b"
	good := tlsOnly(bucket)
	require.True(t, refusesPlain([]byte(good), bucket))
	require.True(t, refusesPlain([]byte(strings.Replace(good, `"Principal":"*"`, `"Principal":{"AWS":["*"]}`, 1)), bucket))
	for _, change := range [][2]string{
		{`"Deny"`, `"Allow"`}, {`"Principal":"*"`, `"Principal":{"AWS":"arn:aws:iam::1:root"}`}, {`"s3:*"`, `"s3:GetObject"`},
		{`"false"`, `"true"`}, {`"Bool"`, `"BoolIfExists"`}, {`"arn:aws:s3:::b"`, `"arn:aws:s3:::other"`}, {`{"Version"`, `{{`},
	} {
		require.False(t, refusesPlain([]byte(strings.Replace(good, change[0], change[1], 1)), bucket), change)
	}
}
