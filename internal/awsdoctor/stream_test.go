package awsdoctor

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	fhtypes "github.com/aws/aws-sdk-go-v2/service/firehose/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"
)

func makeStream(t *testing.T, d *Doctor) *kinesis.Client {
	t.Helper()
	api, name := d.Kinesis.(*kinesis.Client), &d.Deployment.Stream
	_, err := api.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1)})
	require.NoError(t, err)
	require.NoError(t, kinesis.NewStreamExistsWaiter(api).Wait(t.Context(), &kinesis.DescribeStreamInput{StreamName: name}, patience))
	_, err = api.StartStreamEncryption(t.Context(), &kinesis.StartStreamEncryptionInput{StreamName: name, EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("alias/key")})
	require.NoError(t, err)
	return api
}

func TestStream(t *testing.T) {
	t.Parallel()
	d, _ := newDoctor(t)
	require.Equal(t, map[string]string{"stream": "it does not exist"}, failed(d.stream(t.Context())))
	api := makeStream(t, d)
	breaks(t, d.stream, []step{
		{"stops the encryption", func() error {
			_, err := api.StopStreamEncryption(t.Context(), &kinesis.StopStreamEncryptionInput{StreamName: &d.Deployment.Stream, EncryptionType: types.EncryptionTypeKms, KeyId: aws.String("alias/key")})
			return err
		}, "stream encryption", "stored unencrypted"},
	})
	d.Kinesis = fakeKinesis{types.StreamStatusDeleting}
	require.Equal(t, map[string]string{"stream": "it is DELETING and accepts no events"}, failed(d.stream(t.Context())))
}

// deliver creates a delivery stream as Terraform does, with change applied.
func deliver(t *testing.T, d *Doctor, key, folder string, change func(*fhtypes.ExtendedS3DestinationConfiguration)) {
	t.Helper()
	to := &fhtypes.ExtendedS3DestinationConfiguration{
		BucketARN: aws.String(d.Deployment.bucketARN()), RoleARN: aws.String(d.Deployment.Roles["firehose"]),
		Prefix: aws.String(folder + hourly), ErrorOutputPrefix: aws.String("errors/" + key + "/!{firehose:error-output-type}/" + hourly),
		CompressionFormat: fhtypes.CompressionFormatGzip,
	}
	if change != nil {
		change(to)
	}
	api, name := d.Firehose.(*firehose.Client), aws.String(d.Deployment.DeliveryStreams[key])
	_, _ = api.DeleteDeliveryStream(t.Context(), &firehose.DeleteDeliveryStreamInput{DeliveryStreamName: name})
	_, err := api.CreateDeliveryStream(t.Context(), &firehose.CreateDeliveryStreamInput{DeliveryStreamName: name, ExtendedS3DestinationConfiguration: to})
	require.NoError(t, err)
}

func TestDeliveryStreams(t *testing.T) {
	t.Parallel()
	d, _ := newDoctor(t)
	require.Len(t, failed(d.deliveryStreams(t.Context())), 3)
	for _, f := range folders {
		deliver(t, d, f.key, f.folder, nil)
	}
	require.Empty(t, failed(d.deliveryStreams(t.Context())))
	for says, change := range map[string]func(*fhtypes.ExtendedS3DestinationConfiguration){
		`its prefix is "events/"`: func(c *fhtypes.ExtendedS3DestinationConfiguration) { c.Prefix = aws.String("events/") },
		`its errors go to "bad/"`: func(c *fhtypes.ExtendedS3DestinationConfiguration) { c.ErrorOutputPrefix = aws.String("bad/") },
		"it compresses as UNCOMPR": func(c *fhtypes.ExtendedS3DestinationConfiguration) {
			c.CompressionFormat = fhtypes.CompressionFormatUncompressed
		},
		"it delivers to arn:aws:s3:::other": func(c *fhtypes.ExtendedS3DestinationConfiguration) {
			c.BucketARN = aws.String("arn:aws:s3:::other")
		},
	} {
		deliver(t, d, "events", "raw/events/", change)
		got := failed(d.deliveryStreams(t.Context()))
		require.Len(t, got, 1)
		require.Contains(t, got["delivery of events"], says)
	}
	delete(d.Deployment.DeliveryStreams, "quarantine")
	require.Contains(t, failed(d.deliveryStreams(t.Context())), "delivery of quarantine")

	about := &fhtypes.DeliveryStreamDescription{DeliveryStreamStatus: fhtypes.DeliveryStreamStatusCreatingFailed}
	require.Equal(t, []string{"it is CREATING_FAILED", "it does not deliver to S3"}, d.deliversWrong(about, "events", "raw/events/"))
}
