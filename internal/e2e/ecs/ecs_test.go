package ecs_test

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/e2e/ecs"
)

// program is the image's program: it prints its environment and performs the action
// of its argument.
const program = `#!/bin/sh
echo "$0" | sed 's|.*/||'; echo "arguments $*, word $WORD, place $PLACE, key ${AWS_ACCESS_KEY_ID:+of a role}"
case $1 in
serve) trap 'exit 0' TERM; while :; do sleep 0.05; done ;;
health) [ "$WORD" != sick ] ;;
*) exit 7 ;;
esac
`

func image(context.Context, string) (v1.Image, error) {
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	for _, h := range []*tar.Header{
		{Name: "tmp", Typeflag: tar.TypeDir, Mode: 0o777},
		{Name: "program", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(program))},
	} {
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if h.Size > 0 {
			io.WriteString(w, program)
		}
	}
	w.Close()
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	return mutate.Config(img, v1.Config{Entrypoint: []string{"/program"}, Cmd: []string{"of", "the", "image"}, Env: []string{"PATH=/usr/bin:/bin"}})
}

// harness is a host in front of an emulator that enforces IAM, with a role that allows
// everything.
type harness struct {
	host    *ecs.Host
	client  *awsecs.Client
	logs    *cloudwatchlogs.Client
	secret  string // ARN
	roleARN string
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	emulator := awstest.Enforcing(t)
	require.NoError(t, awstest.MakeRole(t.Context(), emulator, awstest.Root, "task", "ecs-tasks.amazonaws.com",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`))
	host, err := ecs.New(ecs.Options{
		Upstream: emulator, Region: "us-east-1", Root: awstest.Root, Pull: image, Dir: t.TempDir(),
		SignIn: func(ctx context.Context, roleARN string) (aws.Credentials, error) {
			return awstest.SignIn(ctx, emulator, awstest.Root, roleARN)
		},
		Place: func(container, root string, vars map[string]string) error {
			vars["PLACE"] = "here"
			return nil
		},
	})
	require.NoError(t, err)
	s := httptest.NewServer(host)
	t.Cleanup(s.Close)
	t.Cleanup(host.Close)
	as := func(url string) aws.Config {
		return aws.Config{Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.StaticCredentialsProvider{Value: awstest.Root}}
	}
	r := &harness{host: host, client: awsecs.NewFromConfig(as(s.URL)), logs: cloudwatchlogs.NewFromConfig(as(emulator)), roleARN: awstest.RoleARN("task")}
	secret, err := secretsmanager.NewFromConfig(as(emulator)).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String("words"), SecretString: aws.String(`{"secret": "hush"}`)})
	require.NoError(t, err)
	r.secret = *secret.ARN
	_, err = r.logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("/tasks")})
	require.NoError(t, err)
	_, err = r.client.CreateCluster(t.Context(), &awsecs.CreateClusterInput{ClusterName: aws.String("cluster")})
	require.NoError(t, err)
	return r
}

// define registers a task definition with the word as a variable or, if it is
// empty, as a secret, and returns its ARN.
func (r *harness) define(t *testing.T, word string, command ...string) string {
	t.Helper()
	c := types.ContainerDefinition{
		Name: aws.String("main"), Image: aws.String("registry/image:1"), Command: command, StopTimeout: aws.Int32(5),
		Environment: []types.KeyValuePair{{Name: aws.String("WORD"), Value: &word}},
		HealthCheck: &types.HealthCheck{Command: []string{"CMD", "/program", "health"}, Interval: aws.Int32(1), Retries: aws.Int32(1), StartPeriod: aws.Int32(0)},
		LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
			"awslogs-group": "/tasks", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "prefix"}},
	}
	if word == "" {
		c.Environment, c.Secrets = nil, []types.Secret{{Name: aws.String("WORD"), ValueFrom: aws.String(r.secret + ":secret::")}}
	}
	out, err := r.client.RegisterTaskDefinition(t.Context(), &awsecs.RegisterTaskDefinitionInput{
		Family: aws.String("family"), ExecutionRoleArn: &r.roleARN, TaskRoleArn: &r.roleARN, ContainerDefinitions: []types.ContainerDefinition{c},
	})
	require.NoError(t, err)
	return *out.TaskDefinition.TaskDefinitionArn
}

func TestTask_runs_its_image(t *testing.T) {
	t.Parallel()
	r := newHarness(t)
	definition := r.define(t, "")
	for _, c := range []struct {
		override []string
		says     string
	}{
		{nil, "arguments of the image, word hush, place here, key of a role"},
		{[]string{"of", "mine"}, "arguments of mine, word hush, place here, key of a role"},
	} {
		run, err := r.client.RunTask(t.Context(), &awsecs.RunTaskInput{Cluster: aws.String("cluster"), TaskDefinition: &definition,
			Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: aws.String("main"), Command: c.override}}}})
		require.NoError(t, err)
		arn := *run.Tasks[0].TaskArn
		wait := awsecs.NewTasksStoppedWaiter(r.client, func(o *awsecs.TasksStoppedWaiterOptions) {
			o.MinDelay, o.MaxDelay = 50*time.Millisecond, 100*time.Millisecond
		})
		out, err := wait.WaitForOutput(t.Context(), &awsecs.DescribeTasksInput{Cluster: aws.String("cluster"), Tasks: []string{arn}}, time.Minute)
		require.NoError(t, err)
		require.Equal(t, int32(7), aws.ToInt32(out.Tasks[0].Containers[0].ExitCode), "the command's")

		stream := "prefix/main/" + arn[len(arn)-36:]
		events, err := r.logs.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("/tasks"), LogStreamName: &stream, StartFromHead: aws.Bool(true)})
		require.NoError(t, err)
		require.Len(t, events.Events, 2)
		require.Equal(t, c.says, *events.Events[1].Message)
	}
}

func TestService_replaces_its_task_when_the_new_one_is_healthy(t *testing.T) {
	t.Parallel()
	r := newHarness(t)
	cluster, name := aws.String("cluster"), aws.String("service")
	first, second, sick := r.define(t, "first", "serve"), r.define(t, "second", "serve"), r.define(t, "sick", "serve")
	_, err := r.client.CreateService(t.Context(), &awsecs.CreateServiceInput{Cluster: cluster, ServiceName: name, TaskDefinition: &first, DesiredCount: aws.Int32(0)})
	require.NoError(t, err)
	require.Nil(t, r.host.Vars("service"))

	update := func(definition string, count int32) {
		_, err := r.client.UpdateService(t.Context(), &awsecs.UpdateServiceInput{Cluster: cluster, Service: name, TaskDefinition: &definition, DesiredCount: &count})
		require.NoError(t, err)
	}
	serves := func(word string) {
		t.Helper()
		require.Eventually(t, func() bool { return r.host.Vars("service")["WORD"] == word }, 20*time.Second, 20*time.Millisecond, word)
	}
	update(first, 1)
	serves("first")
	_, err = r.client.CreateService(t.Context(), &awsecs.CreateServiceInput{Cluster: cluster, ServiceName: aws.String("other"), TaskDefinition: &sick, DesiredCount: aws.Int32(1)})
	require.NoError(t, err)
	out, err := r.client.DescribeServices(t.Context(), &awsecs.DescribeServicesInput{Cluster: cluster, Services: []string{*name, "other"}})
	require.NoError(t, err)
	require.Equal(t, []int32{1, 0}, []int32{out.Services[0].RunningCount, out.Services[1].RunningCount})
	update(second, 1)
	serves("second")
	update(sick, 1)
	require.Never(t, func() bool { return r.host.Vars("service")["WORD"] != "second" }, 3*time.Second, 50*time.Millisecond, "the previous task stays")
	update(second, 0)
	require.Eventually(t, func() bool { return r.host.Vars("service") == nil }, 20*time.Second, 20*time.Millisecond)
}
