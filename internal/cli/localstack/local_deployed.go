package localstack

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/local/aws/eventsource"
	"github.com/recflow/recflow/internal/local/aws/firehose"
	"github.com/recflow/recflow/internal/local/aws/lambda"
	"github.com/recflow/recflow/internal/local/stack"
)

// Operator is the part of a deployed stack whose credentials may describe what
// Terraform made: on AWS the service itself knows it.
const Operator = "operator"

// operatorConfig is the account of a deployed stack, seen as its operator.
func operatorConfig(ctx context.Context, home string, s stack.Settings) (awsclient.Config, error) {
	return awsclient.Load(ctx, awsclient.OptionsFrom(s.PartEnv(home, Operator)))
}

// deployedFunction gives a host the settings that Terraform gave the function.
// The variables of the stack win: they say where Postgres and the endpoints are.
func deployedFunction(ctx context.Context, c awsclient.Config, name string, o *lambda.Options) error {
	out, err := awsclient.NewLambda(c).GetFunction(ctx, &awslambda.GetFunctionInput{FunctionName: &name})
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

// deployedMapping gives a mapping the settings that Terraform gave it. The clients
// act as the function's role does.
func deployedMapping(ctx context.Context, operator, role awsclient.Config, function string, o *eventsource.Options) error {
	applied, err := eventsource.Read(ctx, awsclient.NewLambda(operator), function)
	if err != nil {
		return err
	}
	settings := applied.Options
	settings.Kinesis = awsclient.NewKinesis(role, settings.Stream).API()
	settings.Function, settings.CheckpointDir, settings.PollEvery, settings.Log = o.Function, o.CheckpointDir, o.PollEvery, o.Log
	if applied.FailureBucket != "" {
		settings.OnFailure = &eventsource.Destination{Bucket: awsclient.NewS3(role, applied.FailureBucket), Prefix: applied.FailurePrefix}
	}
	*o = settings
	return nil
}

// deployedStreams are the delivery streams that Terraform made, which the stack's
// variables name.
func deployedStreams(ctx context.Context, c awsclient.Config, vars map[string]string) ([]firehose.Stream, error) {
	var out []firehose.Stream
	for _, name := range []string{"RECFLOW_FIREHOSE_RECOMMENDATIONS", "RECFLOW_FIREHOSE_EVENTS", "RECFLOW_FIREHOSE_QUARANTINE"} {
		s, err := firehose.Read(ctx, awsclient.NewFirehose(c).API(), vars[name])
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}
