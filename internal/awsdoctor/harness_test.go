package awsdoctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
)

var deployments atomic.Int64

// newDeployment is a deployment with unique names, of which nothing exists yet.
func newDeployment() Deployment {
	p := fmt.Sprintf("d%d", deployments.Add(1))
	d := Deployment{
		Region: "us-east-1", Bucket: p + "-bucket", Stream: p + "-events",
		DeliveryStreams: map[string]string{"recommendations": p + "-recommendations", "events": p + "-delivered", "quarantine": p + "-quarantine"},
		Function:        p + "-stream", MappingUUID: "no-such-mapping", GlueJob: p + "-train", Cluster: p,
		Services: map[string]string{"worker": p + "-worker", "api": p + "-api"}, APIURL: "https://api.test",
		AlarmNames: map[string]string{"iterator-age": p + "-iterator-age", "lambda-errors": p + "-lambda-errors"},
		RuleNames:  map[string]string{"glue-failures": p + "-glue-failures"},
		Roles:      map[string]string{}, account: awstest.Account, partition: "aws",
	}
	for _, role := range []string{"lambda", "worker", "api", "glue", "firehose"} {
		d.Roles[role] = awstest.RoleARN(p + "-" + role)
	}
	d.StreamARN, d.TopicARN = d.arn("kinesis", "stream/"+d.Stream), d.arn("sns", p+"-topic")
	return d
}

// newDoctor returns a doctor for the emulator shared by this test binary.
func newDoctor(t *testing.T) (*Doctor, aws.Config) {
	t.Helper()
	c := awstest.SDK(t)
	d := New(c, newDeployment())
	d.API, d.Token = &fakeAPI{}, true
	return d, c
}

// step breaks one thing and names the check that must fail as a result.
type step struct {
	does  string
	do    func() error
	check string
	says  string // part of the detail
}

// breaks runs steps cumulatively and verifies after each that its check fails and
// no other changed.
func breaks(t *testing.T, look func(context.Context) []Check, steps []step) {
	t.Helper()
	failing := map[string]string{}
	require.Equal(t, failing, failed(look(t.Context())), "as it should be")
	for _, s := range steps {
		require.NoError(t, s.do(), s.does)
		got := failed(look(t.Context()))
		require.Contains(t, got[s.check], s.says, s.does)
		failing[s.check] = got[s.check]
		require.Equal(t, failing, got, s.does)
	}
}

// failed returns the details of the failed checks by name. Each must have a fix.
func failed(checks []Check) map[string]string {
	found := map[string]string{}
	for _, c := range checks {
		if c.State == Fail {
			found[c.Name] = c.Detail
			if c.Fix == "" {
				found[c.Name] = "NO FIX: " + c.Detail
			}
		}
	}
	return found
}

// refusal is AWS's access-denied error.
func refusal(code string) error { return &smithy.GenericAPIError{Code: code, Message: "because"} }

// fakeAPI is an API with configured responses.
type fakeAPI struct {
	ready, live error
}

func (f *fakeAPI) Ready(context.Context) (apiclient.Ready, error) {
	return apiclient.Ready{SchemaVersion: 7, PgvectorVersion: "0.8.5"}, f.ready
}

func (f *fakeAPI) Live(context.Context) (l apiclient.Live, etag string, err error) {
	l.Version.ID = 42
	return l, "", f.live
}

func outputsOf(t *testing.T, d Deployment) map[string]any {
	t.Helper()
	outputs := map[string]any{}
	for name, value := range map[string]any{
		"region": d.Region, "bucket": d.Bucket, "stream": d.Stream, "stream_arn": d.StreamARN, "delivery_streams": d.DeliveryStreams,
		"function": d.Function, "mapping_uuid": d.MappingUUID, "glue_job": d.GlueJob, "cluster": d.Cluster, "services": d.Services,
		"api_url": d.APIURL, "topic_arn": d.TopicARN, "alarm_names": d.AlarmNames, "rule_names": d.RuleNames, "roles": d.Roles, "next_steps": "some text",
	} {
		outputs[name] = map[string]any{"sensitive": false, "value": value}
	}
	return outputs
}

func TestReadDeployment_reads_what_terraform_prints(t *testing.T) {
	t.Parallel()
	want := newDeployment()
	data, err := json.Marshal(outputsOf(t, want))
	require.NoError(t, err)
	got, err := ReadDeployment(data)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, "arn:aws:glue:us-east-1:000000000000:job/x", got.arn("glue", "job/x"))
}

func TestReadDeployment_names_every_missing_output(t *testing.T) {
	t.Parallel()
	outputs := outputsOf(t, newDeployment())
	delete(outputs, "glue_job")
	outputs["api_url"] = map[string]any{"value": nil}
	outputs["roles"] = map[string]any{"value": map[string]string{}}
	data, err := json.Marshal(outputs)
	require.NoError(t, err)
	_, err = ReadDeployment(data)
	require.ErrorContains(t, err, "missing: glue_job, api_url, roles;")

	for text, says := range map[string]string{"{}": "no outputs", "no json": "not the output of", `{"region":{"value":["x"]}}`: "output region"} {
		_, err = ReadDeployment([]byte(text))
		require.ErrorContains(t, err, says)
	}
}

func TestTrouble_names_the_permission_to_add(t *testing.T) {
	t.Parallel()
	c := trouble("bucket", "s3:GetBucketPolicy", fmt.Errorf("wrapped: %w", refusal("AccessDenied")))
	require.Equal(t, Check{Name: "bucket", State: Fail, Detail: "not checked: s3:GetBucketPolicy is denied", Fix: "grant yourself s3:GetBucketPolicy"}, c)
	require.Contains(t, trouble("x", "a:b", refusal("ResourceNotFoundException")).Detail, "does not exist")
	require.Equal(t, "Throttling: because", trouble("x", "a:b", refusal("Throttling")).Detail)
	require.Equal(t, "no route", trouble("x", "a:b", errors.New("no route")).Detail)
}

func TestExamine_runs_every_check(t *testing.T) {
	t.Parallel()
	d, _ := newDoctor(t)
	checks := d.Examine(t.Context())
	names := make([]string, len(checks))
	for i, c := range checks {
		names[i] = c.Name
	}
	require.Equal(t, "identity region bucket stream", strings.Join(names[:4], " "))
	require.Subset(t, names, []string{"delivery of events", "function", "mapping", "training job", "services", "alarm iterator-age", "topic", "permissions of glue", "API", "database", "Temporal", "live version"})
	require.ErrorContains(t, Healthy(checks), "checks failed", "nothing of it exists")
	require.NoError(t, Healthy(d.api(t.Context())))

	d.Deployment.account = "123456789012"
	d.Region = "eu-west-1"
	checks = d.Examine(t.Context())
	require.Equal(t, "identity", checks[0].Name)
	require.Contains(t, checks[0].Fix, "123456789012")
	require.Equal(t, "API", checks[1].Name, "in the wrong account nothing else is checked")

	d.Deployment.account = awstest.Account
	got := failed(d.Examine(t.Context()))
	require.Contains(t, got["region"], "eu-west-1")
	d.STS = &fakeSTS{err: refusal("ExpiredToken")}
	require.Contains(t, failed(d.Examine(t.Context()))["identity"], "ExpiredToken")
}
