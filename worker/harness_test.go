package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/glue"
	"github.com/recflow/recflow/internal/local/aws/glue/gluetest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/temporaltest"
	"github.com/recflow/recflow/workflows"
)

// waitTimeout limits how long a test waits for an event that must happen.
const waitTimeout = 90 * time.Second

// stage is a complete recflow: the real worker as a child process, real
// Postgres, Temporal and S3, and the local Glue endpoint with a job that
// completes at once.
type stage struct {
	t         *testing.T
	store     *postgrestest.Store
	url       string // of the database
	s3        *awsclient.S3
	reads     *gate // between the worker and S3
	endpoint  *gluetest.Endpoint
	glue      *awsclient.Glue
	control   string // folder with files that control the job
	server    *temporaltest.Server
	temporal  client.Client
	namespace string
	env       []string
	worker    *child
	requests  int
	recorded  int
}

type stageOption func(*stage)

// onServer and onDatabase give the test a server of its own that it may break.
func onServer(s *temporaltest.Server) stageOption { return func(st *stage) { st.server = s } }
func onDatabase(url string) stageOption           { return func(st *stage) { st.url = url } }

// someEvents is the key of an object, so that windows of backfills are not
// skipped for lack of events.
const someEvents = "raw/events/dt=2025-01-01/hour=00/some.gz"

// newStage starts the services and the worker. When the test ends it stops the
// worker and checks that nothing is left.
func newStage(t *testing.T, options ...stageOption) *stage {
	t.Helper()
	s := &stage{t: t, control: t.TempDir(), s3: awstest.S3(t)}
	for _, o := range options {
		o(s)
	}
	if s.server == nil {
		s.server = temporaltest.Shared(t)
	}
	if s.url == "" {
		s.url = postgrestest.URL(t)
	}
	s.namespace = s.server.Namespace(t)
	s.store = postgrestest.Open(t, s.url)
	s.use(small.folder(t))
	env := awstest.Env(t)
	s.endpoint = gluetest.New(t, gluetest.Options{
		Script: job,
		Env:    []string{"TEST_CONTROL=" + s.control, "TEST_S3=" + env["AWS_ENDPOINT_URL_S3"]},
		Job:    glue.Job{MaxConcurrentRuns: 1},
	})
	s.glue = s.endpoint.Client(t)
	require.NoError(t, s.s3.Put(t.Context(), someEvents, strings.NewReader("not read by the fake job")))
	s.reads = newGate(t, env["AWS_ENDPOINT_URL_S3"])
	env["AWS_ENDPOINT_URL_S3"] = s.reads.url
	env["AWS_ENDPOINT_URL_GLUE"] = s.endpoint.URL()
	env["RECFLOW_DATABASE_URL"] = s.url
	env["RECFLOW_TEMPORAL_ADDRESS"] = s.server.Address
	env["RECFLOW_TEMPORAL_NAMESPACE"] = s.namespace
	env["RECFLOW_BUCKET"] = s.s3.Bucket()
	env["RECFLOW_STORED_MARGIN"] = "0s"
	env["RECFLOW_GLUE_POLL"] = "100ms"
	env["RECFLOW_DRAIN_TIMEOUT"] = "6s"
	env["RECFLOW_READER_CACHE_TTL"] = "0s"
	env[workerEnv] = "1"
	for k, v := range env {
		s.env = append(s.env, k+"="+v)
	}
	s.dial()
	s.startWorker()
	t.Cleanup(s.leave)
	return s
}

func (s *stage) dial() {
	s.t.Helper()
	c, err := client.Dial(client.Options{HostPort: s.server.Address, Namespace: s.namespace, Logger: temporaltest.Quiet})
	require.NoError(s.t, err)
	s.temporal = c
	s.t.Cleanup(c.Close)
}

// use makes the job write this prepared run from now on.
func (s *stage) use(folder string) { s.writeControl("prepared", folder) }

// hold keeps the job from ending until the returned function is called.
func (s *stage) hold() (release func()) {
	s.writeControl("hold", "")
	return sync.OnceFunc(func() { require.NoError(s.t, os.Remove(filepath.Join(s.control, "hold"))) })
}

func (s *stage) writeControl(name, content string) {
	require.NoError(s.t, os.WriteFile(filepath.Join(s.control, name), []byte(content), 0o600))
}

// request returns a request that differs from all earlier ones.
func (s *stage) request() workflows.RefreshRequest {
	s.requests++
	r := workflows.DefaultRefresh(time.Date(2025, 1, s.requests, 0, 0, 0, 0, time.UTC))
	r.Actor = "test"
	return r
}

// refresh starts a refresh.
func (s *stage) refresh(r workflows.RefreshRequest) client.WorkflowRun {
	s.t.Helper()
	run, running, err := workflows.Start(s.t.Context(), s.temporal, "recflow", r)
	require.NoError(s.t, err)
	require.False(s.t, running)
	return run
}

// await waits for the end of a refresh.
func (s *stage) await(run client.WorkflowRun) (workflows.RefreshResult, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), waitTimeout)
	defer cancel()
	var result workflows.RefreshResult
	err := run.Get(ctx, &result)
	if *record {
		s.record(run.GetID(), run.GetRunID())
	}
	if p, err := workflows.AskProgress(ctx, s.temporal, run.GetID(), run.GetRunID()); err == nil {
		for _, stage := range p.Stages {
			s.t.Logf("%-8s %6.2fs  %s", stage.Stage, stage.EndedAt.Sub(stage.StartedAt).Seconds(), stage.Detail)
		}
	}
	return result, err
}

// refreshLive runs a refresh that must go live.
func (s *stage) refreshLive() workflows.RefreshResult {
	s.t.Helper()
	result, err := s.await(s.refresh(s.request()))
	require.NoError(s.t, err)
	require.True(s.t, result.Live, result.Detail)
	return result
}

// until waits for a condition on the progress of a run.
func (s *stage) until(run client.WorkflowRun, what string, ok func(workflows.Progress) bool) workflows.Progress {
	s.t.Helper()
	var p workflows.Progress
	harnesstest.Eventually(s.t, what, func() bool {
		var err error
		p, err = workflows.AskProgress(s.t.Context(), s.temporal, run.GetID(), run.GetRunID())
		if err == nil && ok(p) {
			return true
		}
		require.Empty(s.t, p.Outcome, "ended before %s: %s", what, p.Detail)
		return false
	})
	return p
}

func (s *stage) status(run client.WorkflowRun) enumspb.WorkflowExecutionStatus {
	s.t.Helper()
	d, err := s.temporal.DescribeWorkflowExecution(s.t.Context(), run.GetID(), run.GetRunID())
	require.NoError(s.t, err)
	return d.WorkflowExecutionInfo.Status
}

// leave stops the worker and checks that it left nothing behind.
func (s *stage) leave() {
	if s.t.Failed() {
		s.t.Logf("the worker's log:\n%s", s.worker.log())
	}
	s.worker.stop()
	ctx := context.Background()
	for run, err := range s.glue.Runs(ctx) {
		require.NoError(s.t, err)
		require.True(s.t, run.State.Over(), "Glue run %s of %s is in state %s", run.ID, run.RunID, run.State)
	}
	conn, err := pgx.Connect(ctx, s.url)
	require.NoError(s.t, err)
	defer conn.Close(ctx)
	empty := func(what, query string) {
		harnesstest.Eventually(s.t, "no "+what, func() bool {
			rows, err := conn.Query(ctx, query)
			require.NoError(s.t, err)
			found, err := pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(s.t, err)
			return len(found) == 0
		})
	}
	empty("schema of a version without data", `
		SELECT nspname::text FROM pg_namespace WHERE nspname ~ '^v[0-9]+$'
		AND nspname NOT IN (SELECT 'v' || id FROM recflow.versions WHERE state IN ('ready', 'refused'))`)
	empty("loading version", "SELECT run_id FROM recflow.versions WHERE state = 'loading'")
	empty("connection of the worker", "SELECT state FROM pg_stat_activity WHERE application_name = 'recflow-worker' AND datname = current_database()")
	empty("lock", `
		SELECT locktype FROM pg_locks JOIN pg_database d ON d.oid = database
		WHERE d.datname = current_database() AND pid <> pg_backend_pid() AND locktype = 'advisory'`)
}

// child is a worker process.
type child struct {
	cmd    *exec.Cmd
	output *harnesstest.Buffer
	ended  chan struct{}
	stdin  io.Closer
}

// startWorker starts a worker process that replaces the last one.
func (s *stage) startWorker() {
	s.t.Helper()
	c := &child{cmd: exec.Command(os.Args[0]), output: &harnesstest.Buffer{}, ended: make(chan struct{})}
	if s.worker != nil {
		c.output = s.worker.output
	}
	c.cmd.Env = append(os.Environ(), s.env...)
	c.cmd.Stdout, c.cmd.Stderr = c.output, c.output
	stdin, err := c.cmd.StdinPipe()
	require.NoError(s.t, err)
	c.stdin = stdin
	ready := strings.Count(c.log(), `"worker ready"`)
	require.NoError(s.t, c.cmd.Start())
	go func() {
		_ = c.cmd.Wait()
		close(c.ended)
	}()
	s.worker = c
	harnesstest.Eventually(s.t, "worker ready", func() bool {
		select {
		case <-c.ended:
			s.t.Fatalf("the worker ended:\n%s", c.log())
		default:
		}
		return strings.Count(c.log(), `"worker ready"`) > ready
	})
}

func (c *child) log() string { return c.output.String() }

// Faults that the tests inject.
const (
	workerKilled       = "worker killed"
	workflowTerminated = "workflow terminated"
)

// killWorker ends the worker with kill -9 and starts another one.
func (s *stage) killWorker(faults *harnesstest.Faults) {
	s.t.Helper()
	c := s.worker
	require.NoError(s.t, c.cmd.Process.Kill(), "the worker had ended:\n%s", c.log())
	<-c.ended
	faults.Inject(workerKilled)
	s.startWorker()
}

// stop asks the worker to drain and waits for it.
func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	<-c.ended
	_ = c.stdin.Close()
}

// gate is a proxy that can hold requests.
type gate struct {
	url string

	mu    sync.Mutex
	match func(*http.Request) bool
	held  chan struct{} // closed to release the held requests
	holds int
}

func newGate(t *testing.T, upstream string) *gate {
	u, err := url.Parse(upstream)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(u)
	g := &gate{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		g.mu.Lock()
		held := g.held
		if held != nil && g.match(req) {
			g.holds++
		} else {
			held = nil
		}
		g.mu.Unlock()
		if held != nil {
			select {
			case <-held:
			case <-req.Context().Done():
				return
			}
		}
		proxy.ServeHTTP(w, req)
	}))
	server.Config.ErrorLog = nil
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

// close holds requests that match until open is called.
func (g *gate) close(match func(*http.Request) bool) (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	held := make(chan struct{})
	g.match, g.held, g.holds = match, held, 0
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.held = nil
		close(held)
	})
}

func (g *gate) holding() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.holds
}
