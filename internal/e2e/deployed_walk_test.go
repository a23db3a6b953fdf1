package e2e_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	awsfirehose "github.com/aws/aws-sdk-go-v2/service/firehose"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/e2e/applied"
	"github.com/recflow/recflow/internal/e2e/callrecorder"
	"github.com/recflow/recflow/internal/local/aws/eventsource"
	"github.com/recflow/recflow/internal/local/aws/firehose"
	"github.com/recflow/recflow/internal/local/aws/lambda"
	"github.com/recflow/recflow/internal/local/stack"
)

// walk starts a local stack that uses the deployment as its AWS, and runs the
// guide.
func (d *deployment) walk(t *testing.T) {
	local, err := config.ReadLocal()
	require.NoError(t, err)
	bin := clitest.Programs(t)
	home := filepath.Join(t.TempDir(), ".recflow")
	t.Cleanup(func() { stopStack(t, bin, local.Cache, home) })
	ports, err := stack.ReservePorts()
	require.NoError(t, err)
	settings := stack.NewSettings(ports)
	writeSettings(t, home, settings)
	calls := &callrecorder.Log{}
	s := newServices(t, home)
	parts := d.parts(t, settings, s, calls)
	d.start(t, s, bin, parts)
	bin = wrapPrograms(t, bin, map[string]map[string]string{"recflow-worker": parts["worker"], "recflow-api": parts["api"]})
	names := filepath.Join(home, "deployed.env") // variables of commands, on top of the stack's
	require.NoError(t, os.WriteFile(names, []byte(shellVariables(d.vars(), "")), 0o600))
	walk(t, bin, home, "recflow up --without "+elsewhere+"\ncat .recflow/deployed.env >>.recflow/env")
	s.stop()
	require.NotEmpty(t, calls.Calls())
	d.keepsSecrets(t, home, settings, parts)
	d.emptyBucket(t)
}

// emptyBucket removes the objects of a walk: its database is gone, and the next
// walk starts with an empty one.
func (d *deployment) emptyBucket(t *testing.T) {
	bucket := awsclient.NewS3(configOf(t, d.vars()), d.output("bucket"))
	var keys []string
	for o, err := range bucket.List(t.Context(), "") {
		require.NoError(t, err)
		if !strings.HasPrefix(o.Key, "code/") {
			keys = append(keys, o.Key)
		}
	}
	require.NotEmpty(t, keys)
	require.NoError(t, bucket.DeleteObjects(t.Context(), keys...))
}

// keepsSecrets searches logs, workflow histories, the emulators' files, Terraform's
// state and every object for secrets.
func (d *deployment) keepsSecrets(t *testing.T, home string, s stack.Settings, parts map[string]map[string]string) {
	secrets := map[string]string{"the database's password": s.Password, "the API token": s.APIToken, "root's key": awstest.Root.SecretAccessKey}
	for part, vars := range parts {
		secrets["the key of "+part] = vars["AWS_SECRET_ACCESS_KEY"]
		secrets["the session of "+part] = vars["AWS_SESSION_TOKEN"]
	}
	looked := map[string]int{}
	look := func(kind, name string, data []byte) {
		looked[kind]++
		for what, secret := range secrets {
			require.NotEmpty(t, secret, what)
			require.False(t, bytes.Contains(data, []byte(secret)), "%s is in %s", what, name)
		}
	}
	hidden := []string{"stack.json", "env", "deployed.env", "postgres"} // where they belong, readable by their owner only
	require.NoError(t, filepath.WalkDir(home, func(path string, e fs.DirEntry, err error) error {
		if err != nil || slices.Contains(hidden, filepath.Base(path)) && filepath.Dir(path) == home {
			return cmp.Or(err, skip(e))
		}
		if !e.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		if err == nil {
			kind, _, _ := strings.Cut(strings.TrimPrefix(path, home+"/"), "/")
			look(kind, path, data)
		}
		return err
	}))
	look("state", "the state of Terraform", []byte(d.show))
	bucket := awsclient.NewS3(configOf(t, d.vars()), d.output("bucket"))
	for o, err := range bucket.List(t.Context(), "") {
		require.NoError(t, err)
		if strings.HasPrefix(o.Key, "code/") {
			continue
		}
		data, err := bucket.Get(t.Context(), o.Key, 64<<20)
		require.NoError(t, err)
		if z, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
			data, err = io.ReadAll(z)
			require.NoError(t, err)
		}
		look("objects", o.Key, data)
	}
	for _, kind := range []string{"logs", "temporal.db", "glue", "objects", "state"} {
		require.Positive(t, looked[kind], "%s are looked at: %v", kind, looked)
	}
}

// skip excludes a file, or a directory with its contents.
func skip(e fs.DirEntry) error {
	if e.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// vars are the resource names that Terraform created, for every program.
func (d *deployment) vars() map[string]string {
	vars := awstest.CredentialEnv(awstest.Root)
	maps.Copy(vars, map[string]string{
		"AWS_REGION":                       "us-east-1",
		"RECFLOW_DATABASE_AUTH":            "password", // of the stack's own Postgres
		"RECFLOW_BUCKET":                   d.output("bucket"),
		"RECFLOW_STREAM":                   d.output("stream"),
		"RECFLOW_GLUE_JOB":                 d.output("glue_job"),
		"RECFLOW_FIREHOSE_RECOMMENDATIONS": d.outputOf("delivery_streams", "recommendations"),
		"RECFLOW_FIREHOSE_EVENTS":          d.outputOf("delivery_streams", "events"),
		"RECFLOW_FIREHOSE_QUARANTINE":      d.outputOf("delivery_streams", "quarantine"),
	})
	for _, service := range []string{"S3", "KINESIS", "SNS"} {
		vars["AWS_ENDPOINT_URL_"+service] = d.endpoint
	}
	return vars
}

// parts returns the variables of each part of a stack: the resource names and the
// role that Terraform created for it, behind a recorder.
func (d *deployment) parts(t *testing.T, settings stack.Settings, s *services, calls *callrecorder.Log) map[string]map[string]string {
	out := map[string]map[string]string{}
	for part, role := range map[string]string{"worker": "worker", "api": "api", "stream": "lambda", "glue": "glue", "firehose": "firehose"} {
		credentials, err := awstest.SignIn(t.Context(), d.endpoint, awstest.Root, d.outputOf("roles", role))
		require.NoError(t, err)
		out[part] = d.part(settings, s, part, awstest.CredentialEnv(credentials), endpoints(d.recorder(t, calls, role, s)))
	}
	out["worker"]["RECFLOW_OUTCOMES_TOPIC"] = d.output("topic_arn")
	return out
}

// part returns the variables of one part of a stack in the deployment, overridden
// by extra ones.
func (d *deployment) part(settings stack.Settings, s *services, part string, more ...map[string]string) map[string]string {
	vars := settings.PartEnv(s.home, part)
	for _, m := range append([]map[string]string{d.vars()}, more...) {
		maps.Copy(vars, m)
	}
	return vars
}

// start starts the services of AWS, with the applied settings.
func (d *deployment) start(t *testing.T, s *services, bin string, parts map[string]map[string]string) {
	t.Helper()
	operator := configOf(t, d.vars()).SDK() // a role needs no permission to describe what the service itself knows
	operator.BaseEndpoint = &d.endpoint
	s.startGlue(parts["glue"])
	var streams []firehose.Stream
	for _, name := range []string{"recommendations", "events", "quarantine"} {
		delivery, err := applied.ReadDelivery(t.Context(), awsfirehose.NewFromConfig(operator), d.outputOf("delivery_streams", name))
		require.NoError(t, err)
		streams = append(streams, delivery)
	}
	s.startFirehose(parts["firehose"], streams)
	function := d.output("function")
	f := lambda.Options{Command: []string{filepath.Join(bin, "recflow-lambda")}, Env: parts["stream"]}
	require.NoError(t, applied.ReadFunction(t.Context(), awslambda.NewFromConfig(operator), function, &f))
	mapping, err := applied.ReadMapping(t.Context(), awslambda.NewFromConfig(operator), function)
	require.NoError(t, err)
	role := configOf(t, parts["stream"])
	mapping.Options.Kinesis = awsclient.NewKinesis(role, mapping.Options.Stream).API()
	if mapping.FailureBucket != "" {
		mapping.Options.OnFailure = &eventsource.Destination{Bucket: awsclient.NewS3(role, mapping.FailureBucket), Prefix: mapping.FailurePrefix}
	}
	s.startStream(f, mapping.Options)
}

// recorder is in front of every endpoint that a component calls, and terminates its
// TLS.
func (d *deployment) recorder(t *testing.T, calls *callrecorder.Log, component string, s *services) (url string) {
	recorder := callrecorder.New(callrecorder.Options{
		Component: component, Account: awstest.Account, Record: calls.Record,
		Upstream: func(service string) (string, error) {
			if own := map[string]string{"glue": s.glue, "firehose": s.firehose}[service]; own != "" {
				return own, nil
			}
			return d.endpoint, nil
		},
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder.ServeHTTP(unencrypted{w}, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// unencrypted removes the bucket's key from responses: Spark's S3A requests the
// same key when it copies an object, and refuses to do so without TLS.
type unencrypted struct{ http.ResponseWriter }

func (w unencrypted) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w unencrypted) WriteHeader(status int) {
	for name := range w.Header() {
		if strings.HasPrefix(name, "X-Amz-Server-Side-Encryption") {
			w.Header().Del(name)
		}
	}
	w.ResponseWriter.WriteHeader(status)
}
