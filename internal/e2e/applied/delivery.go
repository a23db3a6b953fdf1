package applied

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	local "github.com/recflow/recflow/internal/local/aws/firehose"
)

// Deliveries is the part of the Firehose API that ReadDelivery uses.
type Deliveries interface {
	DescribeDeliveryStream(context.Context, *firehose.DescribeDeliveryStreamInput, ...func(*firehose.Options)) (*firehose.DescribeDeliveryStreamOutput, error)
}

// ReadDelivery returns a delivery stream as it exists in an account. A setting that
// the local endpoint does not support (another compression than gzip, a processor,
// another destination than S3) is an error.
func ReadDelivery(ctx context.Context, client Deliveries, name string) (local.Stream, error) {
	out, err := client.DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: &name})
	if err != nil {
		return local.Stream{}, fmt.Errorf("describe delivery stream %s: %w", name, err)
	}
	destinations := out.DeliveryStreamDescription.Destinations
	if len(destinations) != 1 || destinations[0].ExtendedS3DestinationDescription == nil {
		return local.Stream{}, fmt.Errorf("delivery stream %s does not deliver to one S3 bucket", name)
	}
	d := destinations[0].ExtendedS3DestinationDescription
	if d.CompressionFormat != types.CompressionFormatGzip {
		return local.Stream{}, fmt.Errorf("delivery stream %s compresses by %q, not GZIP", name, d.CompressionFormat)
	}
	if p := d.ProcessingConfiguration; p != nil && aws.ToBool(p.Enabled) {
		return local.Stream{}, fmt.Errorf("delivery stream %s has a processor", name)
	}
	s := local.Stream{Name: name, Prefix: aws.ToString(d.Prefix), ErrorPrefix: aws.ToString(d.ErrorOutputPrefix)}
	if h := d.BufferingHints; h != nil {
		s.BufferBytes = int64(aws.ToInt32(h.SizeInMBs)) << 20
		s.BufferEvery = time.Duration(aws.ToInt32(h.IntervalInSeconds)) * time.Second
	}
	return s, nil
}
