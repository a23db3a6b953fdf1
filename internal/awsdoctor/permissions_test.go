package awsdoctor

import (
	"encoding/json"
	"path"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"
)

type statement struct {
	Effect   string
	Action   []string
	Resource []string
}

// grantAll gives a role its grants, with change applied.
func grantAll(t *testing.T, api *iam.Client, role string, grants []grant, change func(*statement)) error {
	t.Helper()
	policy := struct {
		Version   string
		Statement []statement
	}{Version: "2012-10-17"}
	for _, g := range grants {
		if g.never {
			continue
		}
		s := statement{Effect: "Allow", Action: append([]string{}, g.actions...), Resource: []string{g.resource}}
		if change != nil {
			change(&s)
		}
		policy.Statement = append(policy.Statement, s)
	}
	text, err := json.Marshal(policy)
	require.NoError(t, err)
	_, err = api.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String(path.Base(role)), PolicyName: aws.String("this"), PolicyDocument: aws.String(string(text))})
	return err
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	d, _ := newDoctor(t)
	require.Len(t, failed(d.permissions(t.Context())), 5, "there are no roles")
	api, all := d.IAM.(*iam.Client), d.Deployment.grants()
	for role, arn := range d.Deployment.Roles {
		_, err := api.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String(path.Base(arn)), AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[]}`)})
		require.NoError(t, err)
		require.NoError(t, grantAll(t, api, arn, all[role], nil))
	}
	roles := d.Deployment.Roles
	without := func(action string) func(*statement) {
		return func(s *statement) {
			for i, a := range s.Action {
				if a == action {
					s.Action[i] = "kinesis:PutRecord" // an unused permission
				}
			}
		}
	}
	breaks(t, d.permissions, []step{
		{"cannot read the stream", func() error { return grantAll(t, api, roles["lambda"], all["lambda"], without("kinesis:GetRecords")) }, "permissions of lambda", "it may not kinesis:GetRecords on " + d.Deployment.StreamARN},
		{"cannot stop a run", func() error { return grantAll(t, api, roles["worker"], all["worker"], without("glue:BatchStopJobRun")) }, "permissions of worker", "it may not glue:BatchStopJobRun"},
		{"reads recommendations", func() error {
			return grantAll(t, api, roles["glue"], all["glue"], func(s *statement) { s.Resource = []string{d.Deployment.bucketARN() + "/*"} })
		}, "permissions of glue", "it may s3:GetObject on " + d.Deployment.bucketARN() + "/recommendations/x and must not"},
		{"cannot put events", func() error { return grantAll(t, api, roles["api"], all["api"], without("kinesis:PutRecords")) }, "permissions of api", "it may not kinesis:PutRecords"},
		{"cannot deliver", func() error { return grantAll(t, api, roles["firehose"], all["firehose"], without("s3:PutObject")) }, "permissions of firehose", "it may not s3:PutObject"},
	})
	delete(roles, "api")
	require.Contains(t, failed(d.permissions(t.Context()))["permissions of api"], "has no such key")
}
