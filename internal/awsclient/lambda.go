package awsclient

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// NewLambda returns the SDK's client of Lambda's control plane. No binary that is
// shipped calls it.
func NewLambda(c Config) *lambda.Client {
	return lambda.NewFromConfig(c.aws, func(o *lambda.Options) {
		if c.options.LambdaEndpoint != "" {
			o.BaseEndpoint = aws.String(c.options.LambdaEndpoint)
		}
	})
}
