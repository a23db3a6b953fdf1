// Package applied reads what Terraform has applied in an emulator, as settings of
// the local emulators that replace it.
package applied

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	local "github.com/recflow/recflow/internal/local/aws/lambda"
)

// Functions is the part of the Lambda API that ReadFunction uses.
type Functions interface {
	GetFunction(context.Context, *lambda.GetFunctionInput, ...func(*lambda.Options)) (*lambda.GetFunctionOutput, error)
}

// ReadFunction sets o to the settings of a function. Variables already in o are
// kept: they have the addresses of Postgres and the endpoints.
func ReadFunction(ctx context.Context, client Functions, name string, o *local.Options) error {
	out, err := client.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &name})
	if err != nil {
		return fmt.Errorf("read function %s: %w", name, err)
	}
	f := out.Configuration
	o.Name = name
	o.Timeout = time.Duration(aws.ToInt32(f.Timeout)) * time.Second
	o.MemoryMB = int(aws.ToInt32(f.MemorySize))
	if out.Concurrency != nil && out.Concurrency.ReservedConcurrentExecutions != nil {
		o.MaxEnvironments = int(*out.Concurrency.ReservedConcurrentExecutions)
	}
	if f.Environment != nil {
		vars := maps.Clone(f.Environment.Variables)
		maps.Copy(vars, o.Env)
		o.Env = vars
	}
	return nil
}
