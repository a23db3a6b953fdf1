package awsclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/recflow/recflow/internal/recsys"
)

// Kinesis is a client of one stream.
type Kinesis struct {
	client *kinesis.Client
	stream string
}

// StreamInfo describes a stream. ARN and CreatedAt together identify it: a stream
// deleted and created again with the same name has another CreatedAt.
type StreamInfo struct {
	Name      string
	ARN       string
	Active    bool // records can be put
	CreatedAt time.Time
	Shards    int           // open shards
	Retention time.Duration // retention
}

// NewKinesis returns a client of the stream named stream.
func NewKinesis(c Config, stream string) *Kinesis {
	client := kinesis.NewFromConfig(c.aws, func(o *kinesis.Options) {
		if c.options.KinesisEndpoint != "" {
			o.BaseEndpoint = aws.String(c.options.KinesisEndpoint)
		}
	})
	return &Kinesis{client: client, stream: stream}
}

// Stream returns the name of the stream.
func (k *Kinesis) Stream() string { return k.stream }

// API returns the SDK's client, for the local event source mapping, which calls
// Kinesis directly as Lambda's does.
func (k *Kinesis) API() *kinesis.Client { return k.client }

// Describe describes the stream, or returns recsys.ErrNotFound.
func (k *Kinesis) Describe(ctx context.Context) (StreamInfo, error) {
	out, err := k.client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &k.stream})
	if err != nil {
		return StreamInfo{}, translate(err, "describe stream %s", k.stream)
	}
	d := out.StreamDescriptionSummary
	if d == nil {
		return StreamInfo{}, fmt.Errorf("describe stream %s: the response has no description", k.stream)
	}
	return StreamInfo{
		Name:      k.stream,
		ARN:       aws.ToString(d.StreamARN),
		Active:    d.StreamStatus == types.StreamStatusActive || d.StreamStatus == types.StreamStatusUpdating,
		CreatedAt: aws.ToTime(d.StreamCreationTimestamp),
		Shards:    int(aws.ToInt32(d.OpenShardCount)),
		Retention: time.Duration(aws.ToInt32(d.RetentionPeriodHours)) * time.Hour,
	}, nil
}

// EnsureStream creates the stream with the given number of shards if it does not
// exist, and waits until it is active. An existing stream is unchanged. Only the
// local stack calls it; on AWS Terraform creates the stream.
func (k *Kinesis) EnsureStream(ctx context.Context, shards int) error {
	const every = 100 * time.Millisecond
	created := false
	for {
		info, err := k.Describe(ctx)
		switch {
		case err == nil && info.Active:
			return nil
		case err == nil: // being created or deleted
		case !errors.Is(err, recsys.ErrNotFound):
			return err
		case !created:
			if err := k.create(ctx, shards); err != nil {
				return err
			}
			created = true
			continue
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for stream %s: %w", k.stream, ctx.Err())
		case <-time.After(every):
		}
	}
}

// create creates the stream. It is not an error when another caller created it
// first.
func (k *Kinesis) create(ctx context.Context, shards int) error {
	in := &kinesis.CreateStreamInput{StreamName: &k.stream, ShardCount: aws.Int32(int32(shards))}
	_, err := k.client.CreateStream(ctx, in)
	var exists *types.ResourceInUseException
	if errors.As(err, &exists) {
		return nil
	}
	return translate(err, "create stream %s", k.stream)
}
