package callrecorder_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/e2e/callrecorder"
	"github.com/recflow/recflow/internal/e2e/iam"
)

// record starts a recorder of a component in front of an endpoint.
func record(t *testing.T, endpoint string) (string, *callrecorder.Log) {
	log := &callrecorder.Log{}
	s := httptest.NewServer(callrecorder.New(callrecorder.Options{
		Component: "c", Account: awstest.Account, Record: log.Record,
		Upstream: func(string) (string, error) { return endpoint, nil },
	}))
	t.Cleanup(s.Close)
	return s.URL, log
}

func client(endpoint string, c aws.Credentials) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &endpoint, RetryMaxAttempts: 1,
		Credentials: credentials.StaticCredentialsProvider{Value: c},
	}
}

func pathStyle(o *s3.Options) { o.UsePathStyle = true }

// lines are calls in short form.
func lines(calls []iam.Call) (out []string) {
	for _, c := range calls {
		out = append(out, strings.TrimPrefix(c.String(), "c: "))
	}
	return out
}

// TestRecorder makes real SDK calls to an emulator that verifies their signatures:
// the recorder must forward them unchanged.
func TestRecorder(t *testing.T) {
	t.Parallel()
	emulator := awstest.Enforcing(t)
	ctx, bucket := t.Context(), aws.String("bucket")

	t.Run("it forwards S3 calls as they were signed, and names their permissions", func(t *testing.T) {
		t.Parallel()
		endpoint, log := record(t, emulator)
		b := s3.NewFromConfig(client(endpoint, awstest.Root), pathStyle)
		_, err := b.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
		require.NoError(t, err)
		key := aws.String("raw/dt=2026-01-02/a b+c%d é.json")
		_, err = b.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("content")})
		require.NoError(t, err)
		got, err := b.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
		require.NoError(t, err)
		data, err := io.ReadAll(got.Body)
		require.NoError(t, err)
		require.Equal(t, "content", string(data))
		_, err = b.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("none")})
		require.Error(t, err)
		_, err = b.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("raw/")})
		require.NoError(t, err)
		up, err := b.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("up")})
		require.NoError(t, err)
		_, err = b.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: aws.String("up"), UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
		require.NoError(t, err)
		_, err = b.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: bucket, Key: aws.String("up"), UploadId: up.UploadId})
		require.NoError(t, err)
		_, err = b.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("copy"), CopySource: aws.String("bucket/" + url.PathEscape(*key))})
		require.NoError(t, err)
		_, err = b.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &s3types.Delete{Objects: []s3types.ObjectIdentifier{{Key: aws.String("x")}, {Key: aws.String("y")}}}})
		require.NoError(t, err)
		assert.Equal(t, []string{
			"s3:AbortMultipartUpload on arn:aws:s3:::bucket/up",
			"s3:CreateBucket on arn:aws:s3:::bucket",
			"s3:DeleteObject on arn:aws:s3:::bucket/x",
			"s3:DeleteObject on arn:aws:s3:::bucket/y",
			"s3:GetObject on arn:aws:s3:::bucket/none",
			"s3:GetObject on arn:aws:s3:::bucket/raw/dt=2026-01-02/a b+c%d é.json",
			"s3:ListBucket on arn:aws:s3:::bucket", // for the 404
			`s3:ListBucket on arn:aws:s3:::bucket, s3:prefix = "raw/"`,
			"s3:PutObject on arn:aws:s3:::bucket/copy",
			"s3:PutObject on arn:aws:s3:::bucket/raw/dt=2026-01-02/a b+c%d é.json",
			"s3:PutObject on arn:aws:s3:::bucket/up",
		}, lines(log.Calls()))
	})
	t.Run("it names the permissions of the JSON and Query protocols", func(t *testing.T) {
		t.Parallel()
		endpoint, log := record(t, emulator)
		c := client(endpoint, awstest.Root)
		k := kinesis.NewFromConfig(c)
		name, arn := aws.String("s"), aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/s")
		_, err := k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1)})
		require.NoError(t, err)
		_, err = k.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: name, Records: []kinesistypes.PutRecordsRequestEntry{{Data: make([]byte, 1<<20), PartitionKey: aws.String("p")}}})
		require.NoError(t, err)
		_, _ = k.GetRecords(ctx, &kinesis.GetRecordsInput{StreamARN: arn, ShardIterator: aws.String("x")})
		_, _ = k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("x")})
		_, _ = firehose.NewFromConfig(c).PutRecordBatch(ctx, &firehose.PutRecordBatchInput{DeliveryStreamName: aws.String("d")})
		_, _ = firehose.NewFromConfig(c).DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: aws.String("d")})
		_, _ = glue.NewFromConfig(c).BatchStopJobRun(ctx, &glue.BatchStopJobRunInput{JobName: aws.String("j"), JobRunIds: []string{"r"}})
		_, err = awstest.Query(ctx, endpoint, awstest.Root, "sts", url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}})
		require.NoError(t, err)
		_, _ = awstest.Query(ctx, endpoint, awstest.Root, "sns", url.Values{"Action": {"Publish"}, "TopicArn": {"arn:aws:sns:us-east-1:000000000000:t"}, "Message": {"m"}})
		_, _ = awstest.Query(ctx, endpoint, awstest.Root, "iam", url.Values{"Action": {"ListRoles"}, "Version": {"2010-05-08"}})
		assert.Equal(t, []string{
			"POST /: Kinesis_20131202.GetRecords names no resource",
			"POST /: iam:ListRoles is unknown",
			"firehose:DescribeDeliveryStream on arn:aws:firehose:us-east-1:000000000000:deliverystream/d",
			"glue:BatchStopJobRun on arn:aws:glue:us-east-1:000000000000:job/j",
			"kinesis:CreateStream on arn:aws:kinesis:us-east-1:000000000000:stream/s",
			"kinesis:GetRecords on arn:aws:kinesis:us-east-1:000000000000:stream/s",
			"kinesis:PutRecords on arn:aws:kinesis:us-east-1:000000000000:stream/s",
			"sns:Publish on arn:aws:sns:us-east-1:000000000000:t",
		}, lines(log.Calls()))
	})
	t.Run("it terminates TLS for a bucket that requires it", func(t *testing.T) {
		t.Parallel()
		require.NoError(t, awstest.MakeRole(ctx, emulator, awstest.Root, "reader", "glue.amazonaws.com",
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::tls","arn:aws:s3:::tls/*"]}]}`))
		role, err := awstest.AssumeRole(ctx, emulator, awstest.Root, awstest.RoleARN("reader"))
		require.NoError(t, err)
		root := s3.NewFromConfig(client(emulator, awstest.Root), pathStyle)
		_, err = root.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("tls")})
		require.NoError(t, err)
		_, err = root.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("tls"), Policy: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::tls","arn:aws:s3:::tls/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`)})
		require.NoError(t, err)
		list := func(endpoint string) error {
			_, err := s3.NewFromConfig(client(endpoint, role), pathStyle).ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("tls")})
			return err
		}
		require.ErrorContains(t, list(emulator), "AccessDenied")
		endpoint, _ := record(t, emulator)
		require.NoError(t, list(endpoint))
	})
}

// TestProblems sends requests that the SDKs do not send.
func TestProblems(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }))
	t.Cleanup(upstream.Close)
	send := func(t *testing.T, method, path, service string, header http.Header, body string) (string, []string) {
		endpoint, log := record(t, upstream.URL)
		req, err := http.NewRequestWithContext(t.Context(), method, endpoint+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Host = "s3.example"
		if header != nil {
			req.Header = header
		}
		if service != "" {
			req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=K/20260102/eu-west-1/"+service+"/aws4_request, SignedHeaders=host, Signature=0")
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(answer), lines(log.Calls())
	}
	for name, c := range map[string]struct {
		method, path, service, body string
		header                      http.Header
		want                        string
	}{
		"it records an unknown S3 operation": {"PUT", "/b/k?torrent", "s3", "", nil, `PUT /b/k: unknown S3 operation "PUT torrent"`},
		"it records a call without a bucket": {"GET", "/", "s3", "", nil, "GET /: the call names no bucket in its path"},
		"it records an unknown protocol":     {"POST", "/service/Kinesis_20131202/operation/PutRecords", "kinesis", "\xa0", http.Header{"Smithy-Protocol": {"rpc-v2-cbor"}}, "POST /service/Kinesis_20131202/operation/PutRecords: unknown protocol of this call to kinesis"},
		"it records an unknown target":       {"POST", "/", "dynamodb", "{}", http.Header{"X-Amz-Target": {"DynamoDB_20120810.GetItem"}}, `POST /: unknown X-Amz-Target "DynamoDB_20120810.GetItem"`},
		"it counts the tags of an object":    {"PUT", "/b/k", "s3", "", http.Header{"X-Amz-Tagging": {"a=b"}}, "s3:PutObject on arn:aws:s3:::b/k|s3:PutObjectTagging on arn:aws:s3:::b/k"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, calls := send(t, c.method, c.path, c.service, c.header, c.body)
			assert.Equal(t, c.want, strings.Join(calls, "|"))
			assert.Equal(t, "s3.example", answer, "it was forwarded with the signed host")
		})
	}
	t.Run("it does not forward an unsigned call", func(t *testing.T) {
		t.Parallel()
		_, calls := send(t, "GET", "/b/k", "", nil, "")
		assert.Equal(t, []string{"GET /b/k: the call has no signature of version 4"}, calls)
	})
}

func TestLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "calls.jsonl")
	for _, component := range []string{"a", "b"} { // two processes
		log, err := callrecorder.OpenLog(path)
		require.NoError(t, err)
		for range 2 {
			log.Record(iam.Call{Component: component, Request: iam.Request{Action: "s3:GetObject", Resource: "x"}})
		}
		require.NoError(t, log.Close())
	}
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	calls, err := iam.ReadCalls(f)
	require.NoError(t, err)
	require.Len(t, calls, 2)
}
