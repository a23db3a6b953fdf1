package awsdoctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"
)

type deliveries interface {
	DescribeDeliveryStream(context.Context, *firehose.DescribeDeliveryStreamInput, ...func(*firehose.Options)) (*firehose.DescribeDeliveryStreamOutput, error)
}

// folders are the prefixes that the delivery streams write to. The training job,
// the quarantine commands and the Athena tables read them.
var folders = []struct{ key, folder string }{
	{"recommendations", "recommendations/"},
	{"events", "raw/events/"},
	{"quarantine", "quarantine/"},
}

// hourly is the part of a prefix that Firehose fills in.
const hourly = "dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"

func (d *Doctor) deliveryStreams(ctx context.Context) []Check {
	var checks []Check
	for _, f := range folders {
		checks = append(checks, d.deliveryStream(ctx, f.key, f.folder))
	}
	return checks
}

func (d *Doctor) deliveryStream(ctx context.Context, key, folder string) Check {
	name := "delivery of " + key
	stream, named := d.Deployment.DeliveryStreams[key]
	if !named {
		return bad(name, apply, "the output delivery_streams has no such key")
	}
	out, err := d.Firehose.DescribeDeliveryStream(ctx, &firehose.DescribeDeliveryStreamInput{DeliveryStreamName: &stream})
	if err != nil {
		return trouble(name, "firehose:DescribeDeliveryStream", err)
	}
	about := out.DeliveryStreamDescription
	wrong := d.deliversWrong(about, key, folder)
	return is(name, len(wrong) == 0, fmt.Sprintf("%s is %s, to %s", stream, about.DeliveryStreamStatus, folder), strings.Join(wrong, "; "), apply)
}

// deliversWrong returns the settings that differ from the expected ones.
func (d *Doctor) deliversWrong(about *types.DeliveryStreamDescription, key, folder string) (wrong []string) {
	not := func(holds bool, format string, args ...any) {
		if !holds {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	not(about.DeliveryStreamStatus == types.DeliveryStreamStatusActive, "it is %s", about.DeliveryStreamStatus)
	if len(about.Destinations) == 0 || about.Destinations[0].ExtendedS3DestinationDescription == nil {
		return append(wrong, "it does not deliver to S3")
	}
	to := about.Destinations[0].ExtendedS3DestinationDescription
	not(aws.ToString(to.BucketARN) == d.Deployment.bucketARN(), "it delivers to %s", aws.ToString(to.BucketARN))
	not(aws.ToString(to.Prefix) == folder+hourly, "its prefix is %q, not %q", aws.ToString(to.Prefix), folder+hourly)
	not(strings.HasPrefix(aws.ToString(to.ErrorOutputPrefix), "errors/"+key+"/"), "its errors go to %q, not under errors/%s/", aws.ToString(to.ErrorOutputPrefix), key)
	not(to.CompressionFormat == types.CompressionFormatGzip, "it compresses as %s, not GZIP", to.CompressionFormat)
	return wrong
}
