package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/eventsource"
	"github.com/recflow/recflow/internal/local/aws/firehose"
	"github.com/recflow/recflow/internal/local/aws/glue"
	"github.com/recflow/recflow/internal/local/aws/lambda"
	"github.com/recflow/recflow/internal/local/stack"
	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
)

// services emulates what AWS runs, for a local stack that has only Postgres,
// Temporal, the worker and the API: the training job, the delivery streams, and the
// function with its mapping. The test sets the variables of each.
type services struct {
	t    *testing.T // stops them at the latest
	home string     // of the stack; for their state and logs

	glue, firehose string // URLs, once they are started
	stops          []func()
}

// elsewhere are the parts that `recflow up` does not start because services runs
// them.
const elsewhere = "s3,glue,firehose,stream"

func newServices(t *testing.T, home string) *services {
	t.Helper()
	s := &services{t: t, home: home}
	for _, name := range []string{"logs", "glue", "firehose", "stream"} {
		require.NoError(t, os.MkdirAll(filepath.Join(home, name), 0o700))
	}
	t.Cleanup(s.stop)
	return s
}

// stop stops the services, the newest first: Firehose delivers its buffered
// records.
func (s *services) stop() {
	for _, stop := range slices.Backward(s.stops) {
		stop()
	}
	s.stops = nil
}

// log returns the file of a service's messages.
func (s *services) log(name string) io.Writer {
	s.t.Helper()
	f, err := os.OpenFile(filepath.Join(s.home, "logs", name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(s.t, err)
	s.stops = append(s.stops, func() { f.Close() }) // after the service, which was started later
	return f
}

// serve runs a server until stop, and returns its URL.
func (s *services) serve(run func(ctx context.Context, ready func(address string)) error) (url string) {
	s.t.Helper()
	ready := make(chan string, 1)
	s.run(func(ctx context.Context) error { return run(ctx, func(address string) { ready <- address }) })
	select {
	case address := <-ready:
		return "http://" + address
	case <-time.After(time.Minute):
		s.t.Fatal("service did not start")
		return ""
	}
}

// run runs a function until stop.
func (s *services) run(f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	s.stops = append(s.stops, func() {
		cancel()
		require.NoError(s.t, <-done)
	})
}

// startGlue starts the endpoint of the training job.
func (s *services) startGlue(vars map[string]string) {
	s.t.Helper()
	tools := toolchaintest.Tools(s.t)
	script, err := filepath.Abs("../../glue/glue_job.py")
	require.NoError(s.t, err)
	env := stack.SparkEnv(tools)
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	server, err := glue.New(glue.Options{
		Addr: "127.0.0.1:0", StateDir: filepath.Join(s.home, "glue"), Python: tools.Python, Script: script, Env: env,
		Job: glue.Job{Name: vars["RECFLOW_GLUE_JOB"], MaxConcurrentRuns: 1, Timeout: time.Hour},
		Log: slog.New(slog.NewTextHandler(s.log("glue"), nil)),
	})
	require.NoError(s.t, err)
	s.glue = s.serve(server.Run)
}

// startFirehose starts the endpoint of delivery streams.
func (s *services) startFirehose(vars map[string]string, streams []firehose.Stream) {
	s.t.Helper()
	server, err := firehose.New(firehose.Options{
		Addr: "127.0.0.1:0", StateDir: filepath.Join(s.home, "firehose"), Streams: streams,
		Bucket: awsclient.NewS3(configOf(s.t, vars), vars["RECFLOW_BUCKET"]), Log: slog.New(slog.NewTextHandler(s.log("firehose"), nil)),
	})
	require.NoError(s.t, err)
	s.firehose = s.serve(server.Run)
}

// startStream starts the function and the mapping that invokes it.
func (s *services) startStream(f lambda.Options, m eventsource.Options) {
	s.t.Helper()
	log := s.log("stream")
	f.Log = log
	f.Env = maps.Clone(f.Env)
	f.Env["RECFLOW_DATABASE_MAX_CONNS"] = "2"
	host, err := lambda.New(f)
	require.NoError(s.t, err)
	m.Function, m.FunctionARN = host.Invoke, host.ARN()
	m.CheckpointDir, m.PollEvery, m.Log = filepath.Join(s.home, "stream"), 100*time.Millisecond, slog.New(slog.NewTextHandler(log, nil))
	mapping, err := eventsource.New(m)
	require.NoError(s.t, err)
	s.run(func(ctx context.Context) error {
		defer host.Close()
		return mapping.Run(ctx)
	})
	harnesstest.Eventually(s.t, "the mapping reads the stream", func() bool { return mapping.Status().State == "running" })
}

// configOf returns the AWS configuration from variables.
func configOf(t *testing.T, vars map[string]string) awsclient.Config {
	t.Helper()
	c, err := awsclient.Load(t.Context(), awsclient.OptionsFrom(vars))
	require.NoError(t, err)
	return c
}

// wrapPrograms returns a directory of the programs in which those named in env get
// variables on top of the stack's.
func wrapPrograms(t *testing.T, bin string, env map[string]map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bin")
	require.NoError(t, os.Mkdir(dir, 0o700))
	for _, name := range []string{"recflow", "recflow-worker", "recflow-api", "recflow-lambda"} {
		program := filepath.Join(bin, name)
		vars, wrapped := env[name]
		if !wrapped { // a copy: with a link the stack would find the other programs next to its target
			data, err := os.ReadFile(program)
			require.NoError(t, err)
			harnesstest.WriteProgram(t, filepath.Join(dir, name), string(data))
			continue
		}
		script := "#!/bin/sh\n" + shellVariables(vars, "export ") + "exec " + quoted(program) + ` "$@"` + "\n"
		harnesstest.WriteProgram(t, filepath.Join(dir, name), script)
	}
	return dir
}

// shellVariables returns variables in shell syntax, one per line.
func shellVariables(vars map[string]string, prefix string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		fmt.Fprintf(&b, "%s%s=%s\n", prefix, name, quoted(vars[name]))
	}
	return b.String()
}

// writeSettings makes home the home of a stack.
func writeSettings(t *testing.T, home string, s stack.Settings) {
	t.Helper()
	data, err := json.Marshal(s)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(home, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, "stack.json"), data, 0o600))
}
