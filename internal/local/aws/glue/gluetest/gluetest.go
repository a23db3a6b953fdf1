// Package gluetest gives tests the local Glue endpoint with a job of their own,
// an AWS client of it, and faults on the wire.
package gluetest

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/local/aws/glue"
	"github.com/recflow/recflow/internal/local/toolchain"
)

// JobName is the job's name unless the options say otherwise.
const JobName = "recflow-train"

// Options says what the endpoint of a test runs. The zero value is a job that
// succeeds at once.
type Options struct {
	// Script is the Python source of the job, with "python3" of the local tools.
	Script string

	// ScriptPath is used instead of Script when set: the real job, say.
	ScriptPath string

	Env []string // for the job, NAME=value
	Job glue.Job // an empty name means JobName

	// Grace is how long a stopped job has to end by itself; 0 means 2 s.
	Grace  time.Duration
	MaxLog int64
}

// Endpoint is a running endpoint.
type Endpoint struct {
	Faults  *Faults
	Options glue.Options // as it was started; the state folder is in it

	server *glue.Server
	http   *httptest.Server
}

// New starts an endpoint that stops with its jobs when the test ends.
func New(t testing.TB, o Options) *Endpoint {
	t.Helper()
	e := &Endpoint{Faults: &Faults{t: t}, Options: Complete(t, o)}
	e.open(t)
	e.http = httptest.NewServer(e.Faults.wrap(e))
	t.Cleanup(func() {
		e.close(t)
		e.http.Close()
	})
	return e
}

// Complete turns o into options of a server with a state folder of the test.
func Complete(t testing.TB, o Options) glue.Options {
	t.Helper()
	dir := t.TempDir()
	if o.ScriptPath == "" {
		o.ScriptPath = filepath.Join(dir, "job.py")
		if err := os.WriteFile(o.ScriptPath, []byte(o.Script), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if o.Job.Name == "" {
		o.Job.Name = JobName
	}
	if o.Grace == 0 {
		o.Grace = 2 * time.Second
	}
	return glue.Options{
		StateDir: filepath.Join(dir, "state"),
		Python:   python(t), Script: o.ScriptPath, Env: o.Env,
		Job: o.Job, Grace: o.Grace, MaxLog: o.MaxLog,
	}
}

// URL is where the endpoint listens, for AWS_ENDPOINT_URL_GLUE.
func (e *Endpoint) URL() string { return e.http.URL }

// Client returns recflow's client of the endpoint's job.
func (e *Endpoint) Client(t testing.TB) *awsclient.Glue {
	t.Helper()
	return Client(t, e.URL(), e.Options.Job.Name)
}

// Client returns recflow's client of a job at url.
func Client(t testing.TB, url, job string) *awsclient.Glue {
	t.Helper()
	c, err := awsclient.Load(t.Context(), awsclient.Options{
		Region: "us-east-1", AccessKeyID: "test", SecretAccessKey: "test", GlueEndpoint: url,
	})
	if err != nil {
		t.Fatal(err)
	}
	return awsclient.NewGlue(c, job)
}

// Restart closes the endpoint, which stops its jobs, and opens it again on the
// same address and state folder.
func (e *Endpoint) Restart(t testing.TB) {
	t.Helper()
	e.close(t)
	e.open(t)
}

func (e *Endpoint) open(t testing.TB) {
	t.Helper()
	server, err := glue.New(e.Options)
	if err != nil {
		t.Fatal(err)
	}
	e.Faults.mu.Lock()
	defer e.Faults.mu.Unlock()
	e.server = server
}

func (e *Endpoint) close(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := e.server.Close(ctx); err != nil {
		t.Error(err)
	}
}

// python prefers the interpreter of the local tools: the real job needs pyspark.
func python(t testing.TB) string {
	t.Helper()
	if local, err := config.ReadLocal(); err == nil {
		if tools, err := toolchain.Installed(local.Cache); err == nil {
			return tools.Python
		}
	}
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	return path
}
