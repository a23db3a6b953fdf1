package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/e2e/callrecorder"
	"github.com/recflow/recflow/internal/e2e/iam"
	"github.com/recflow/recflow/internal/local/aws/eventsource"
	"github.com/recflow/recflow/internal/local/aws/firehose"
	"github.com/recflow/recflow/internal/local/aws/lambda"
	"github.com/recflow/recflow/internal/local/stack"
	"github.com/recflow/recflow/internal/recsys"
)

// TestPermissions runs everything that calls AWS, with a recorder in front of each
// component, and checks that the calls match those recorded in internal/e2e/iam,
// which are compared with the policies. The emulator allows each component only the
// recorded calls.
func TestPermissions(t *testing.T) {
	t.Parallel()
	l := newLoop(t)
	log := l.record()
	l.importEvents()
	l.connect()
	vars, err := stack.LoadEnv(l.home)
	require.NoError(t, err)
	api := apiclient.New(apiclient.Options{URL: vars["RECFLOW_API_URL"], Token: vars["RECFLOW_API_TOKEN"]})
	_, err = awstest.Query(t.Context(), l.emulator, awstest.Root, "sns",
		url.Values{"Action": {"CreateTopic"}, "Name": {"outcomes"}, "Version": {"2010-03-31"}})
	require.NoError(t, err)
	click := func() {
		_, err := api.SendEvents(t.Context(), []apiclient.NewEvent{{UserID: "u1", ItemID: itemOf(1, 1), EventType: recsys.Click}}, "")
		require.NoError(t, err)
	}

	// An event that the training reads, one that cannot be decoded, and one that
	// cannot be delivered as it is.
	click()
	_, err = l.kinesis.Put(t.Context(), []awsclient.StreamRecord{
		{PartitionKey: "a", Data: []byte("not an event")},
		{PartitionKey: "b", Data: bytes.Repeat([]byte{'x'}, 900<<10)},
	})
	require.NoError(t, err)
	l.awaitObjects("raw/events/", "quarantine/", "quarantine-payloads/")
	l.giveUp()
	l.readQuarantine(api, 2)

	l.recflow("refresh", "--wait", "--rank", "8", "--iterations", "2", "--half-life", "never")
	click()
	l.awaitObjects("recommendations/")
	l.replaceCatalogs(api)
	l.recflow("backfill", "start", "as_of", "--from", "2026-03-01", "--to", "2026-05-01", "--step", "30d", "--dry-run", "--quiet")
	users := filepath.Join(t.TempDir(), "users.txt")
	require.NoError(t, os.WriteFile(users, []byte("u1\nsomeone\n"), 0o600))
	l.recflow("backfill", "start", "lists", "--users", users, "--wait", "--quiet")
	l.cancelTraining(api)
	l.recflow("down", "--quiet")

	got := l.names().Abstract(iam.Generalize(log.Calls()))
	if *clitest.UpdateGolden {
		var text bytes.Buffer
		require.NoError(t, iam.WriteCalls(&text, iam.Distinct(got)))
		require.NoError(t, os.WriteFile("iam/calls.jsonl", text.Bytes(), 0o644))
		return // the embedded file is the old one
	}
	want, err := iam.Recorded()
	require.NoError(t, err)
	require.Equal(t, describe(want), describe(got), "the recorded calls; if the code changed on purpose, run this test with -update-golden and review the difference")
}

func describe(calls []iam.Call) string {
	var lines strings.Builder
	for _, c := range iam.Distinct(calls) {
		lines.WriteString(c.String() + "\n")
	}
	return lines.String()
}

// components are the components that make a part's calls. The mapping reads and
// writes with the function's role, as Lambda's poller does.
var components = map[string]string{
	"worker": "worker", "api": "api", "glue": "glue", "firehose": "firehose", "stream": "lambda",
}

// record prepares a home whose parts call AWS through recorders: an emulator that
// enforces IAM, where each part has a role that allows the recorded calls of its
// component. With -update-golden everything is allowed.
func (l *loop) record() *callrecorder.Log {
	l.emulator = awstest.Enforcing(l.t)
	ports, err := stack.ReservePorts()
	require.NoError(l.t, err)
	settings := stack.NewSettings(ports)
	writeSettings(l.t, l.home, settings)
	l.services = newServices(l.t, l.home)
	log := &callrecorder.Log{}
	l.parts = map[string]map[string]string{}
	for part, component := range components {
		vars := settings.PartEnv(l.home, part)
		maps.Copy(vars, awstest.CredentialEnv(l.role(component)))
		maps.Copy(vars, endpoints(l.recorder(log, component)))
		l.parts[part] = vars
	}
	l.parts["worker"]["RECFLOW_OUTCOMES_TOPIC"] = l.names()[iam.Topic]
	root := awstest.CredentialEnv(awstest.Root)
	maps.Copy(root, endpoints(l.emulator))
	account := settings.Env(l.home)
	maps.Copy(account, root)
	require.NoError(l.t, awsclient.NewS3(configOf(l.t, account), settings.Bucket).EnsureBucket(l.t.Context()))
	require.NoError(l.t, awsclient.NewKinesis(configOf(l.t, account), stack.StreamName).EnsureStream(l.t.Context(), 2))
	l.startServices()
	root["AWS_ENDPOINT_URL_GLUE"], root["AWS_ENDPOINT_URL_FIREHOSE"] = l.services.glue, l.services.firehose
	l.bin = wrapPrograms(l.t, l.bin, map[string]map[string]string{"recflow-worker": l.parts["worker"], "recflow-api": l.parts["api"]})
	l.recflow("up", "--quiet", "--without", elsewhere)
	env, err := os.OpenFile(filepath.Join(l.home, "env"), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(l.t, err)
	_, err = env.WriteString(shellVariables(root, ""))
	require.NoError(l.t, errors.Join(err, env.Close()))
	return log
}

// startServices starts the services of AWS, with the settings of the local stack.
func (l *loop) startServices() {
	vars := l.parts["stream"]
	role := configOf(l.t, vars)
	l.services.startGlue(l.parts["glue"])
	var streams []firehose.Stream
	for name, prefix := range map[string]string{stack.Recommendations: "recommendations/", stack.Events: "raw/events/", stack.Quarantine: "quarantine/"} {
		hour := "dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
		streams = append(streams, firehose.Stream{
			Name: name, Prefix: prefix + hour, ErrorPrefix: "errors/" + name + "/!{firehose:error-output-type}/" + hour, BufferBytes: 5 << 20, BufferEvery: time.Second,
		})
	}
	l.services.startFirehose(l.parts["firehose"], streams)
	l.services.startStream(
		lambda.Options{Name: stack.Function, Command: []string{filepath.Join(l.bin, "recflow-lambda")}, Env: vars, Timeout: 30 * time.Second, MaxEnvironments: 4},
		eventsource.Options{
			Kinesis: awsclient.NewKinesis(role, stack.StreamName).API(), Stream: stack.StreamName,
			BatchSize: 500, BatchWindow: 100 * time.Millisecond, Parallelization: 2, ReportBatchItemFailures: true, BisectOnError: true, MaxRecordAge: 24 * time.Hour,
			OnFailure: &eventsource.Destination{Bucket: awsclient.NewS3(role, vars["RECFLOW_BUCKET"]), Prefix: "aws/lambda/" + stack.Function},
		})
}

// role returns the credentials of a role that allows a component's recorded calls.
func (l *loop) role(component string) aws.Credentials {
	if *clitest.UpdateGolden {
		return awstest.Root
	}
	recorded, err := iam.Recorded()
	require.NoError(l.t, err)
	policy := document(l.t, l.names().Concrete(iam.Of(recorded, component)))
	require.NoError(l.t, awstest.MakeRole(l.t.Context(), l.emulator, awstest.Root, component, "lambda.amazonaws.com", policy))
	role, err := awstest.AssumeRole(l.t.Context(), l.emulator, awstest.Root, awstest.RoleARN(component))
	require.NoError(l.t, err)
	return role
}

// document returns a policy that allows calls.
func document(t *testing.T, calls []iam.Call) string {
	t.Helper()
	var statements []map[string]any
	for _, c := range calls {
		if c.Action == "s3:ListBucket" && c.Context == nil {
			continue // needed for a response of 404, which the emulator sends anyway
		}
		statement := map[string]any{"Effect": "Allow", "Action": c.Action, "Resource": c.Resource}
		if c.Context != nil {
			statement["Condition"] = map[string]any{"StringLike": c.Context}
		}
		statements = append(statements, statement)
	}
	data, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	require.NoError(t, err)
	return string(data)
}

// recorder is in front of every endpoint that a component calls.
func (l *loop) recorder(log *callrecorder.Log, component string) string {
	s := httptest.NewServer(callrecorder.New(callrecorder.Options{
		Component: component, Account: awstest.Account, Record: log.Record,
		Upstream: func(service string) (string, error) {
			if own := map[string]string{"glue": l.services.glue, "firehose": l.services.firehose}[service]; own != "" {
				return own, nil
			}
			return l.emulator, nil
		},
	}))
	l.t.Cleanup(s.Close)
	return s.URL
}

func endpoints(url string) map[string]string {
	vars := map[string]string{"AWS_ENDPOINT_URL": url}
	for _, service := range []string{"S3", "GLUE", "KINESIS", "FIREHOSE", "SNS"} {
		vars["AWS_ENDPOINT_URL_"+service] = url
	}
	return vars
}

// Names of the local stack's resources.
func (l *loop) names() iam.Names {
	arn := func(service, resource string) string {
		return "arn:aws:" + service + ":us-east-1:" + awstest.Account + ":" + resource
	}
	return iam.Names{
		iam.Bucket: "arn:aws:s3:::recflow", iam.Stream: arn("kinesis", "stream/"+stack.StreamName), iam.GlueJob: arn("glue", "job/"+stack.GlueJob),
		iam.Topic:           arn("sns", "outcomes"),
		iam.Recommendations: arn("firehose", "deliverystream/"+stack.Recommendations),
		iam.Events:          arn("firehose", "deliverystream/"+stack.Events),
		iam.Quarantine:      arn("firehose", "deliverystream/"+stack.Quarantine),
		iam.Failures:        "aws/lambda/" + stack.Function + "/",
	}
}

// awaitObjects waits until an object was delivered under each prefix.
func (l *loop) awaitObjects(prefixes ...string) {
	l.t.Helper()
	for _, prefix := range prefixes {
		require.Eventually(l.t, func() bool {
			for _, err := range l.bucket.List(l.t.Context(), prefix) {
				return err == nil
			}
			return false
		}, 5*time.Minute, 200*time.Millisecond, "an object under "+prefix)
	}
}

// readQuarantine waits for that many records in quarantine and reads each.
func (l *loop) readQuarantine(api *apiclient.Client, records int) {
	l.t.Helper()
	var found apiclient.Quarantine
	require.Eventually(l.t, func() (done bool) {
		var err error
		found, err = api.Quarantine(l.t.Context(), apiclient.QuarantineQuery{})
		return err == nil && len(found.Items) == records
	}, time.Minute, 200*time.Millisecond, "records in quarantine")
	for _, q := range found.Items {
		for _, object := range []string{q.Object, ""} {
			record, err := api.QuarantineRecord(l.t.Context(), object, q.QuarantineID)
			require.NoError(l.t, err)
			require.Len(l.t, record.Raw, record.RawBytes)
		}
	}
}

// giveUp runs the mapping with a function that always fails until it discards the
// batch.
func (l *loop) giveUp() {
	client := configOf(l.t, l.parts["stream"])
	mapping, err := eventsource.New(eventsource.Options{
		Kinesis: awsclient.NewKinesis(client, stack.StreamName).API(), Stream: stack.StreamName,
		Function:   func(context.Context, []byte) ([]byte, string, error) { return []byte(`{}`), "Unhandled", nil },
		OnFailure:  &eventsource.Destination{Bucket: awsclient.NewS3(client, l.parts["stream"]["RECFLOW_BUCKET"]), Prefix: "aws/lambda/" + stack.Function},
		MaxRetries: eventsource.NoRetries, CheckpointDir: l.t.TempDir(),
	})
	require.NoError(l.t, err)
	ctx, stop := context.WithCancel(l.t.Context())
	done := make(chan error, 1)
	go func() { done <- mapping.Run(ctx) }()
	l.awaitObjects("aws/lambda/")
	stop()
	require.NoError(l.t, <-done)
}

// cancelTraining starts a training and stops it while it runs.
func (l *loop) cancelTraining(api *apiclient.Client) {
	l.recflow("backfill", "start", "refresh", "--iterations", "30", "--quiet")
	page, err := api.Backfills(l.t.Context(), "", 1)
	require.NoError(l.t, err)
	id := page.Items[0].ID
	vars, err := stack.LoadEnv(l.home)
	require.NoError(l.t, err)
	client, err := awsclient.Load(l.t.Context(), awsclient.OptionsFrom(vars))
	require.NoError(l.t, err)
	glue := awsclient.NewGlue(client, vars["RECFLOW_GLUE_JOB"])
	require.Eventually(l.t, func() bool {
		for run, err := range glue.Runs(l.t.Context()) {
			return err == nil && run.State == "RUNNING"
		}
		return false
	}, 5*time.Minute, 50*time.Millisecond, "a training runs")
	_, err = api.CancelBackfill(l.t.Context(), id)
	require.NoError(l.t, err)
	require.Eventually(l.t, func() bool {
		b, err := api.Backfill(l.t.Context(), id, 0, 0)
		return err == nil && b.State == backfill.Cancelled
	}, 5*time.Minute, 200*time.Millisecond, "it is cancelled")
}
