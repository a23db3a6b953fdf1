// Package gluetest runs the local Glue endpoint for tests, with a job of their own,
// an AWS client for it, and injected network faults.
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

// JobName is the default job name.
const JobName = "recflow-train"

// Options configures a test endpoint. The zero value is a job that succeeds at
// once.
type Options struct {
	// Script is the Python source of the job, with "python3" of the local tools.
	Script string

	// ScriptPath is used instead of Script if set, for example for the real job.
	ScriptPath string

	Env []string // for the job, NAME=value
	Job glue.Job // an empty name means JobName

	// Grace is how long a stopped job has to exit; 0 means 2 s.
	Grace  time.Duration
	MaxLog int64
}

// Endpoint is a running endpoint.
type Endpoint struct {
	Faults  *Faults
	Options glue.Options // as it was started; includes the state directory

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

// Complete turns o into options of a server with a state directory of the test.
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

// URL is the endpoint's address, for AWS_ENDPOINT_URL_GLUE.
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

// Restart closes the endpoint, which stops its jobs, and opens it again with the
// same address and state directory.
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

// python prefers the interpreter of the local tools because the real job needs
// pyspark.
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
