package awsdoctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

type policies interface {
	SimulatePrincipalPolicy(context.Context, *iam.SimulatePrincipalPolicyInput, ...func(*iam.Options)) (*iam.SimulatePrincipalPolicyOutput, error)
}

// grant is an action that a role must be allowed, or denied, on a resource.
type grant struct {
	resource string
	actions  []string
	never    bool
}

// grants are the actions of each component, by the role names of the output roles.
// Permissions that depend on more than the action and the resource are not
// simulated (KMS keys by calling service, database sign-in, whose resource
// Terraform does not name): the other checks exercise them.
func (d Deployment) grants() map[string][]grant {
	object := func(key string) string { return d.bucketARN() + "/" + key }
	training := d.arn("glue", "job/"+d.GlueJob)
	g := map[string][]grant{
		"lambda": {
			{resource: d.StreamARN, actions: []string{"kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"}},
			{resource: object(d.failures() + "x"), actions: []string{"s3:PutObject"}},
			{resource: object("quarantine-payloads/x"), actions: []string{"s3:PutObject"}},
		},
		"worker": {
			{resource: training, actions: []string{"glue:BatchStopJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:StartJobRun"}},
			{resource: object("embeddings/x"), actions: []string{"s3:GetObject"}},
			{resource: d.TopicARN, actions: []string{"sns:Publish"}},
			{resource: d.Roles["glue"], actions: []string{"iam:PassRole"}, never: true},
		},
		"api": {
			{resource: d.StreamARN, actions: []string{"kinesis:PutRecords"}},
			{resource: object("raw/events/x"), actions: []string{"s3:GetObject"}, never: true},
			{resource: training, actions: []string{"glue:StartJobRun"}, never: true},
		},
		"glue": {
			{resource: object("raw/events/x"), actions: []string{"s3:GetObject"}},
			{resource: object("code/glue_job.py"), actions: []string{"s3:GetObject"}},
			{resource: object("embeddings/x"), actions: []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}},
			{resource: object("recommendations/x"), actions: []string{"s3:GetObject", "s3:PutObject"}, never: true},
		},
	}
	for _, f := range folders {
		g["firehose"] = append(g["firehose"],
			grant{resource: object(f.folder + "x"), actions: []string{"s3:PutObject"}},
			grant{resource: object("errors/" + f.key + "/x"), actions: []string{"s3:PutObject"}})
		if name := d.DeliveryStreams[f.key]; name != "" {
			g["lambda"] = append(g["lambda"], grant{resource: d.arn("firehose", "deliverystream/"+name), actions: []string{"firehose:PutRecordBatch"}})
		}
	}
	return g
}

func (d *Doctor) permissions(ctx context.Context) []Check {
	var checks []Check
	all := d.Deployment.grants()
	for _, role := range []string{"lambda", "worker", "api", "glue", "firehose"} {
		checks = append(checks, d.rolePermissions(ctx, role, all[role]))
	}
	return checks
}

// rolePermissions simulates a component's actions with IAM.
func (d *Doctor) rolePermissions(ctx context.Context, role string, grants []grant) Check {
	const simulate = "iam:SimulatePrincipalPolicy"
	name := "permissions of " + role
	principal := d.Deployment.Roles[role]
	if principal == "" {
		return bad(name, apply, "the output roles has no such key")
	}
	var wrong []string
	n := 0
	for _, g := range grants {
		out, err := d.IAM.SimulatePrincipalPolicy(ctx, &iam.SimulatePrincipalPolicyInput{
			PolicySourceArn: &principal, ActionNames: g.actions, ResourceArns: []string{g.resource},
		})
		switch {
		case denied(err):
			return skipped(name, "grant yourself "+simulate+" on "+principal, "not checked: %s is denied", simulate)
		case err != nil:
			return trouble(name, simulate, err)
		}
		n += len(g.actions)
		wrong = append(wrong, g.wrong(out.EvaluationResults)...)
	}
	return is(name, len(wrong) == 0, fmt.Sprintf("all %d actions are allowed or denied as expected", n), strings.Join(wrong, "; "), apply)
}

// wrong returns the simulation results that differ from the expected ones.
func (g grant) wrong(results []types.EvaluationResult) (wrong []string) {
	for _, action := range g.actions {
		i := slices.IndexFunc(results, func(r types.EvaluationResult) bool { return aws.ToString(r.EvalActionName) == action })
		allowed := i >= 0 && results[i].EvalDecision == types.PolicyEvaluationDecisionTypeAllowed
		switch {
		case allowed && g.never:
			wrong = append(wrong, fmt.Sprintf("it may %s on %s and must not", action, g.resource))
		case !allowed && !g.never:
			wrong = append(wrong, fmt.Sprintf("it may not %s on %s", action, g.resource))
		}
	}
	return wrong
}
