package awsdoctor

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient/awstest"
)

// reads are the actions that a caller needs, in addition to
// cloudwatch:DescribeAlarms, which the emulator does not check. docs/deploy.md lists
// them.
var reads = []string{
	"ecs:DescribeServices", "events:DescribeRule", "events:ListTargetsByRule", "firehose:DescribeDeliveryStream", "glue:GetJob",
	"iam:SimulatePrincipalPolicy", "kinesis:DescribeStreamSummary", "lambda:GetEventSourceMapping", "lambda:GetFunctionConfiguration",
	"s3:GetBucketPolicy", "s3:GetBucketPublicAccessBlock", "s3:GetBucketVersioning", "s3:GetEncryptionConfiguration",
	"s3:GetObject", "s3:ListBucket", "sns:ListSubscriptionsByTopic",
}

// TestExamine_with_few_permissions runs with IAM enforced: a caller
// without permissions is given every action to add, and with these and no others
// all checks run.
func TestExamine_with_few_permissions(t *testing.T) {
	t.Parallel()
	endpoint := awstest.Enforcing(t)
	c := aws.Config{Region: "us-east-1", BaseEndpoint: &endpoint}
	as := func(access aws.Credentials) *Doctor {
		c := c.Copy()
		c.Credentials = credentials.NewStaticCredentialsProvider(access.AccessKeyID, access.SecretAccessKey, access.SessionToken)
		d := New(c, newDeployment())
		d.API = &fakeAPI{}
		return d
	}
	signIn := func(name string, actions []string) *Doctor {
		policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []statement{{Effect: "Allow", Action: actions, Resource: []string{"*"}}}})
		require.NoError(t, err)
		require.NoError(t, awstest.MakeRole(t.Context(), endpoint, awstest.Root, name, "lambda.amazonaws.com", string(policy)))
		access, err := awstest.AssumeRole(t.Context(), endpoint, awstest.Root, awstest.RoleARN(name))
		require.NoError(t, err)
		return as(access)
	}
	denials := func(d *Doctor) (actions []string) {
		for _, c := range d.Examine(t.Context()) {
			if _, rest, found := strings.Cut(c.Fix, "grant yourself "); found {
				action, _, _ := strings.Cut(rest, " ")
				actions = append(actions, action)
			}
		}
		slices.Sort(actions)
		return slices.Compact(actions)
	}
	root := as(awstest.Root)
	bucket := &root.Deployment.Bucket
	_, err := makeBucket(t, root).DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: bucket}) // the emulator has no TLS
	require.NoError(t, err)
	_, err = root.Glue.(*glue.Client).CreateJob(t.Context(), &glue.CreateJobInput{
		Name: &root.Deployment.GlueJob, Role: aws.String(root.Deployment.Roles["glue"]),
		Command: &types.JobCommand{ScriptLocation: aws.String("s3://" + *bucket + "/code/glue_job.py")},
	})
	require.NoError(t, err)
	_, err = root.Events.(*eventbridge.Client).PutRule(t.Context(), &eventbridge.PutRuleInput{
		Name: aws.String(root.Deployment.RuleNames["glue-failures"]), EventPattern: aws.String(`{"source":["aws.glue"]}`)})
	require.NoError(t, err)

	gates := []string{"s3:ListBucket", "glue:GetJob", "events:DescribeRule"} // dependent checks are skipped without these
	d := signIn("unprivileged", gates)
	d.Deployment = root.Deployment
	require.Equal(t, slices.DeleteFunc(slices.Clone(reads), func(a string) bool { return slices.Contains(gates, a) }), denials(d))
	d = signIn("stranger", []string{"glue:GetJobRun"})
	d.Deployment = root.Deployment
	require.Subset(t, denials(d), gates)
	// The emulator checks a different action when a mapping is read.
	d = signIn("reader", append(slices.Clone(reads), "lambda:ListEventSourceMappings"))
	d.Deployment = root.Deployment
	require.Empty(t, denials(d))
}
