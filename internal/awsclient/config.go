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
	maxAttempts = 4               // attempts per call, including the first
	maxBackoff  = 5 * time.Second // longest pause between two attempts

	// headerTimeout limits the wait for response headers. Bodies have no time limit
	// of their own because large objects take long; the context limits them.
	headerTimeout = 30 * time.Second

	// idleConns lets parallel loads reuse connections; the default is 10.
	idleConns = 64
)

// Options overrides values of the standard AWS environment. An empty field uses the
// environment.
type Options struct {
	Region           string // e.g. eu-central-1
	AccessKeyID      string // required when SecretAccessKey is set, and only then
	SecretAccessKey  string
	SessionToken     string // of temporary credentials; may be empty
	S3Endpoint       string // URL; implies path-style addressing
	GlueEndpoint     string // URL
	KinesisEndpoint  string // URL
	FirehoseEndpoint string // URL
	SNSEndpoint      string // URL

	Log *slog.Logger // receives the SDK's messages as debug records; nil discards them
}

// OptionsFrom reads overrides from variables with the standard AWS names, such as
// those the local stack passes to its clients.
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

// Config creates clients. They share its credentials, region, retries and HTTP
// settings.
type Config struct {
	aws     aws.Config
	options Options
}

// Load reads the standard AWS environment with the given overrides applied. It
// returns an error when no region is set; credentials are resolved on the first
// call.
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

// SDK returns the SDK's configuration, for clients of services that recflow only
// inspects (internal/awsdoctor). Endpoints are those of the environment.
func (c Config) SDK() aws.Config { return c.aws }

// debugLog logs the SDK's messages at debug level. Calls return their errors; the
// remaining messages are noise (such as a body that could not be discarded after
// every HEAD to an emulator).
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
