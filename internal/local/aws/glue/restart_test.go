package glue_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/glue"
	"github.com/recflow/recflow/internal/local/aws/glue/gluetest"
)

func TestRestart_keeps_the_records(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{Script: script})
	c := e.Client(t)
	id, err := c.Start(t.Context(), do("fail"))
	require.NoError(t, err)
	before := awaitOver(t, c, id)

	e.Restart(t)
	after, err := c.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestRestart_stops_runs_on_shutdown(t *testing.T) {
	t.Parallel()
	o := gluetest.Complete(t, gluetest.Options{Script: script})
	endpoint, c := serveInProcessOfItsOwn(t, o)
	id, err := c.Start(t.Context(), do("grandchild"))
	require.NoError(t, err)
	job, child := awaitPid(t, o, id, "running"), awaitPid(t, o, id, "child")

	require.NoError(t, endpoint.Process.Signal(syscall.SIGTERM))
	require.NoError(t, endpoint.Wait())
	requireGone(t, job)
	requireGone(t, child)

	r, err := serveInProcess(t, o).Get(t.Context(), id)
	require.NoError(t, err)
	require.EqualValues(t, glue.Stopped, r.State)
	require.Contains(t, r.Message, "shut down")
}

func TestRestart_adopts_runs_after_kill_9(t *testing.T) {
	t.Parallel()
	faults := harnesstest.CountFaults(t, "kill the endpoint", "kill the job")
	file := filepath.Join(t.TempDir(), "go")
	o := gluetest.Complete(t, gluetest.Options{Script: script, Job: glue.Job{MaxConcurrentRuns: 5}})
	endpoint, c := serveInProcessOfItsOwn(t, o)
	start := func(arguments map[string]string) string {
		id, err := c.Start(t.Context(), arguments)
		require.NoError(t, err)
		awaitPid(t, o, id, "running")
		return id
	}
	good := start(map[string]string{"--do": "until", "--file": file, "--status": "0"})
	bad := start(map[string]string{"--do": "until", "--file": file, "--status": "7"})
	stopped, killed := start(do("wait")), start(do("wait"))
	kill(t, faults, "endpoint", endpoint.Process.Pid)
	endpoint.Wait()

	c = serveInProcess(t, o)
	for _, id := range []string{good, bad, stopped, killed} {
		r, err := c.Get(t.Context(), id)
		require.NoError(t, err)
		require.EqualValues(t, glue.Running, r.State)
	}
	extra, err := c.Start(t.Context(), do("wait"))
	require.NoError(t, err)
	_, err = c.Start(t.Context(), do("wait"))
	require.True(t, awsclient.ConcurrentRunsExceeded(err), "adopted runs count: %v", err)
	require.NoError(t, c.Stop(t.Context(), extra))

	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.EqualValues(t, glue.Succeeded, awaitOver(t, c, good).State)
	r := awaitOver(t, c, bad)
	require.EqualValues(t, glue.Failed, r.State)
	require.Contains(t, r.Message, "exit status 7")

	require.NoError(t, c.Stop(t.Context(), stopped))
	require.EqualValues(t, glue.Stopped, awaitOver(t, c, stopped).State)

	kill(t, faults, "job", awaitPid(t, o, killed, "running"))
	r = awaitOver(t, c, killed)
	require.EqualValues(t, glue.Failed, r.State)
	require.Contains(t, r.Message, "signal 9 (killed)")
}

func TestRestart_detects_runs_that_ended_while_it_was_stopped(t *testing.T) {
	t.Parallel()
	faults := harnesstest.CountFaults(t, "kill the endpoint", "kill the job's group")
	file := filepath.Join(t.TempDir(), "go")
	o := gluetest.Complete(t, gluetest.Options{Script: script, Job: glue.Job{MaxConcurrentRuns: 2}})
	endpoint, c := serveInProcessOfItsOwn(t, o)
	good, err := c.Start(t.Context(), map[string]string{"--do": "until", "--file": file, "--status": "0"})
	require.NoError(t, err)
	lost, err := c.Start(t.Context(), do("wait"))
	require.NoError(t, err)
	shells := []int{awaitPid(t, o, good, "pid"), awaitPid(t, o, lost, "pid")}
	awaitPid(t, o, good, "running")
	awaitPid(t, o, lost, "running")

	kill(t, faults, "endpoint", endpoint.Process.Pid)
	endpoint.Wait()
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	kill(t, faults, "job's group", -shells[1]) // like a machine crash
	requireGone(t, shells[0])
	requireGone(t, shells[1])

	c = serveInProcess(t, o)
	r, err := c.Get(t.Context(), good)
	require.NoError(t, err)
	require.EqualValues(t, glue.Succeeded, r.State)
	r, err = c.Get(t.Context(), lost)
	require.NoError(t, err)
	require.EqualValues(t, glue.Failed, r.State)
	require.Contains(t, r.Message, "left no exit status")
}

func TestNew_refuses_a_state_folder_in_use(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{})
	_, err := glue.New(e.Options)
	require.ErrorContains(t, err, "locked by another process")
}

func TestNew_names_every_mistake(t *testing.T) {
	t.Parallel()
	_, err := glue.New(glue.Options{Addr: "0.0.0.0:1", Script: "/no/such/job.py", Job: glue.Job{MaxConcurrentRuns: -1}})
	for _, want := range []string{"state directory", "Python", "no name", "out of range", "loopback", "/no/such/job.py"} {
		require.ErrorContains(t, err, want)
	}
}

// serveInProcess runs an endpoint inside the test binary, on a real port.
func serveInProcess(t *testing.T, o glue.Options) *awsclient.Glue {
	t.Helper()
	o.Addr = "127.0.0.1:0"
	s, err := glue.New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- s.Run(ctx, func(addr string) { ready <- addr }) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	select {
	case addr := <-ready:
		return gluetest.Client(t, "http://"+addr, o.Job.Name)
	case err := <-done:
		require.NoError(t, err)
		panic("unreachable")
	}
}

// serveInProcessOfItsOwn runs an endpoint in a child process that can be killed.
func serveInProcessOfItsOwn(t *testing.T, o glue.Options) (*exec.Cmd, *awsclient.Glue) {
	t.Helper()
	o.Addr = "127.0.0.1:0"
	options, err := json.Marshal(o)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), endpointVariable+"="+string(options))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if s, err := glue.New(o); err == nil { // a failed test may have left jobs
			s.Close(context.Background())
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	addr := strings.TrimSpace(line)
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	require.NoError(t, err)
	conn.Close()
	return cmd, gluetest.Client(t, "http://"+addr, o.Job.Name)
}
