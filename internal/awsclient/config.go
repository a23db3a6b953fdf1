package awsclient

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go/logging"
)

const (
	maxAttempts = 4               // attempts of one call, the first included
	maxBackoff  = 5 * time.Second // longest pause between two attempts

	// headerTimeout bounds the wait for the first byte of an answer. Bodies have
	// no time limit of their own: a large object takes what it takes, bounded by
	// the context.
	headerTimeout = 30 * time.Second

	// idleConns lets parallel loads reuse connections; the default is 10.
	idleConns = 64
)

// Options overrides single values of the standard AWS environment. An empty
// field leaves the decision to the environment.
type Options struct {
	Region           string // e.g. eu-central-1
	AccessKeyID      string // used with SecretAccessKey, or not at all
	SecretAccessKey  string
	SessionToken     string // of credentials that end; may be empty
	S3Endpoint       string // URL; implies path-style addressing
	GlueEndpoint     string // URL
	KinesisEndpoint  string // URL
	FirehoseEndpoint string // URL
	SNSEndpoint      string // URL

	Log *slog.Logger // gets what the SDK would print on stderr, as debug records; nil discards it
}

// OptionsFrom picks the overrides out of variables with the standard AWS names,
// such as those the local stack hands to its clients.
func OptionsFrom(vars map[string]string) Options {
	return Options{
		Region:           vars["AWS_REGION"],
		AccessKeyID:      vars["AWS_ACCESS_KEY_ID"],
		SecretAccessKey:  vars["AWS_SECRET_ACCESS_KEY"],
		SessionToken:     vars["AWS_SESSION_TOKEN"],
		S3Endpoint:       vars["AWS_ENDPOINT_URL_S3"],
		GlueEndpoint:     vars["AWS_ENDPOINT_URL_GLUE"],
		KinesisEndpoint:  vars["AWS_ENDPOINT_URL_KINESIS"],
		FirehoseEndpoint: vars["AWS_ENDPOINT_URL_FIREHOSE"],
		SNSEndpoint:      vars["AWS_ENDPOINT_URL_SNS"],
	}
}

// Config is where clients come from: credentials, region, retries and HTTP
// settings, shared by all of them.
type Config struct {
	aws     aws.Config
	options Options
}

// Load reads the standard AWS environment under the given overrides. It fails
// when no region can be found; credentials are looked up at the first call.
func Load(ctx context.Context, o Options) (Config, error) {
	load := []func(*config.LoadOptions) error{
		config.WithRetryer(newRetryer),
		config.WithLogger(debugLog(o.Log)),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost = idleConns
			t.ResponseHeaderTimeout = headerTimeout
		})),
	}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	if o.AccessKeyID != "" {
		load = append(load, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(o.AccessKeyID, o.SecretAccessKey, o.SessionToken)))
	}
	c, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return Config{}, fmt.Errorf("read the AWS environment: %w", err)
	}
	if c.Region == "" {
		return Config{}, fmt.Errorf("no AWS region; set AWS_REGION")
	}
	return Config{aws: c, options: o}, nil
}

// SDK is the SDK's own configuration, for a client of a service that recflow only
// looks at (internal/awsdoctor). Endpoints are those of the environment.
func (c Config) SDK() aws.Config { return c.aws }

// debugLog takes what the SDK would print on stderr. Its errors come back from the
// calls; the rest is of no use to a person (such as a body it could not discard,
// after every HEAD answered by an emulator).
func debugLog(log *slog.Logger) logging.Logger {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return logging.LoggerFunc(func(kind logging.Classification, format string, v ...any) {
		log.Debug("aws sdk", "kind", string(kind), "message", fmt.Sprintf(format, v...))
	})
}

func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		o.MaxBackoff = maxBackoff
	})
}
