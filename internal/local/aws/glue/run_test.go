package glue_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/glue"
	"github.com/recflow/recflow/internal/local/aws/glue/gluetest"
	"github.com/recflow/recflow/internal/recsys"
)

func TestRun_succeeds_with_exit_status_0(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{Script: script})
	c := e.Client(t)
	before := time.Now().Add(-time.Second)

	id, err := c.Start(t.Context(), map[string]string{"--do": "succeed", "--run_id": "r1", "--owner": "w/1"})
	require.NoError(t, err)
	require.Regexp(t, "^jr_[0-9a-f]{64}$", id)

	r := awaitOver(t, c, id)
	require.EqualValues(t, glue.Succeeded, r.State)
	require.Empty(t, r.Message)
	require.Equal(t, "r1", r.RunID)
	require.Equal(t, "w/1", r.Owner)
	require.True(t, r.Started.After(before))
	require.False(t, r.Completed.Before(r.Started))
	require.NoDirExists(t, filepath.Join(e.Options.StateDir, "runs", id, "tmp"))
}

func TestRun_gives_the_job_arguments_and_environment(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{
		Script: script,
		Env:    []string{"GIVEN=yes"},
		Job:    glue.Job{DefaultArguments: map[string]string{"--rank": "64", "--bucket": "b"}},
	})
	c := e.Client(t)
	id, err := c.Start(t.Context(), map[string]string{"--do": "arguments", "--rank": "32", "--text": "a 'b' $c\n\"d\" --e"})
	require.NoError(t, err)
	require.EqualValues(t, glue.Succeeded, awaitOver(t, c, id).State)

	out, err := os.ReadFile(filepath.Join(e.Options.StateDir, "runs", id, "output.log"))
	require.NoError(t, err)
	require.Contains(t, string(out), fmt.Sprintf(
		`['--JOB_NAME', 'recflow-train', '--JOB_RUN_ID', '%s', '--bucket', 'b', '--do', 'arguments', '--rank', '32', '--text', 'a \'b\' $c\n"d" --e'] yes True`, id))
}

func TestRun_fails_with_the_error_of_the_job(t *testing.T) {
	t.Parallel()
	for what, message := range map[string]string{
		"fail":  `^Error Category: UNCLASSIFIED_ERROR; DataInvalid: 3 rows without a user$`,
		"crash": `(?s)^the job ended with exit status 1: .*Traceback.*ValueError: no such column$`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c := gluetest.New(t, gluetest.Options{Script: script}).Client(t)
			id, err := c.Start(t.Context(), do(what))
			require.NoError(t, err)
			r := awaitOver(t, c, id)
			require.EqualValues(t, glue.Failed, r.State)
			require.Regexp(t, message, r.Message)
		})
	}
}

func TestRun_names_the_log_of_a_failed_job(t *testing.T) {
	t.Parallel()
	var printed syncBuffer
	o := gluetest.Complete(t, gluetest.Options{Script: script})
	o.Log = slog.New(slog.NewTextHandler(&printed, nil))
	c := serveInProcess(t, o)
	id, err := c.Start(t.Context(), do("die"))
	require.NoError(t, err)
	r := awaitOver(t, c, id)

	log := filepath.Join(o.StateDir, "runs", id, "output.log")
	require.FileExists(t, log)
	require.Equal(t, "Error Category: UNCLASSIFIED_ERROR; SparkDied: the Spark JVM died. Log: "+log, r.Message, "the job knows its log")
	require.Eventually(t, func() bool { return strings.Contains(printed.String(), "job run failed") }, patience, 5*time.Millisecond)
	require.Regexp(t, `level=ERROR msg="job run failed" glue_run_id=`+id+` state=FAILED reason="Error Category: UNCLASSIFIED_ERROR; SparkDied: the Spark JVM died. Log: .*" log=`+log, printed.String())
}

func TestRun_fails_when_the_interpreter_is_missing(t *testing.T) {
	t.Parallel()
	o := gluetest.Complete(t, gluetest.Options{})
	o.Python = "/no/such/python"
	c := serveInProcess(t, o)
	id, err := c.Start(t.Context(), nil)
	require.NoError(t, err)
	r := awaitOver(t, c, id)
	require.EqualValues(t, glue.Failed, r.State)
	require.Contains(t, r.Message, "/no/such/python")
}

func TestRun_limits_the_message_of_a_job(t *testing.T) {
	t.Parallel()
	c := gluetest.New(t, gluetest.Options{Script: script}).Client(t)
	id, err := c.Start(t.Context(), do("huge"))
	require.NoError(t, err)
	r := awaitOver(t, c, id)
	require.EqualValues(t, glue.Failed, r.State)
	require.LessOrEqual(t, len(r.Message), 4096)
	require.True(t, strings.HasSuffix(r.Message, "the end of it"), r.Message)
}

func TestRun_limits_the_log_of_a_job(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{Script: script, MaxLog: 200_000})
	c := e.Client(t)
	id, err := c.Start(t.Context(), do("spew"))
	require.NoError(t, err)
	log := filepath.Join(e.Options.StateDir, "runs", id, "output.log")
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(log)
		return err == nil && strings.HasPrefix(string(data), "[earlier output was dropped]\n")
	}, patience, 5*time.Millisecond)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(log), "enough"), nil, 0o600))
	require.EqualValues(t, glue.Succeeded, awaitOver(t, c, id).State)
}

func TestRun_fails_when_the_job_is_killed(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{Script: script})
	c := e.Client(t)
	id, err := c.Start(t.Context(), do("grandchild"))
	require.NoError(t, err)
	job, child := awaitPid(t, e.Options, id, "running"), awaitPid(t, e.Options, id, "child")

	kill(t, harnesstest.CountFaults(t), "job", job)
	r := awaitOver(t, c, id)
	require.EqualValues(t, glue.Failed, r.State)
	require.Contains(t, r.Message, "signal 9 (killed)")
	requireGone(t, child)
}

func TestRun_never_succeeds_without_an_exit_status(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{Script: script})
	c := e.Client(t)
	id, err := c.Start(t.Context(), do("wait"))
	require.NoError(t, err)
	job, shell := awaitPid(t, e.Options, id, "running"), awaitPid(t, e.Options, id, "pid")

	kill(t, harnesstest.CountFaults(t), "shell", shell) // the wrapper, which would write it
	r := awaitOver(t, c, id)
	require.EqualValues(t, glue.Failed, r.State)
	require.Contains(t, r.Message, "left no exit status")
	requireGone(t, job)
}

func TestRun_leaves_no_process_behind_when_it_ends(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{Script: script})
	c := e.Client(t)
	id, err := c.Start(t.Context(), do("leave"))
	require.NoError(t, err)
	require.EqualValues(t, glue.Succeeded, awaitOver(t, c, id).State)
	requireGone(t, awaitPid(t, e.Options, id, "child"))
}

func TestRun_times_out(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{Script: script, Job: glue.Job{Timeout: 300 * time.Millisecond}})
	c := e.Client(t)
	id, err := c.Start(t.Context(), do("wait"))
	require.NoError(t, err)
	r := awaitOver(t, c, id)
	require.EqualValues(t, glue.TimedOut, r.State)
	require.Contains(t, r.Message, "timeout of 300ms")
}

func TestRun_stops(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"wait", "polite", "stubborn", "grandchild"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			grace := 10 * time.Second
			if what == "stubborn" {
				grace = 300 * time.Millisecond
			}
			e := gluetest.New(t, gluetest.Options{Script: script, Grace: grace})
			c := e.Client(t)
			id, err := c.Start(t.Context(), do(what))
			require.NoError(t, err)
			job := awaitPid(t, e.Options, id, "running")

			require.NoError(t, c.Stop(t.Context(), id))
			require.NoError(t, c.Stop(t.Context(), id), "while it stops, or after")
			require.EqualValues(t, glue.Stopped, awaitOver(t, c, id).State)
			requireGone(t, job)
			if what == "polite" {
				require.FileExists(t, filepath.Join(e.Options.StateDir, "runs", id, "tidied"))
			}
			if what == "grandchild" {
				requireGone(t, awaitPid(t, e.Options, id, "child"))
			}
			require.NoError(t, c.Stop(t.Context(), id), "a finished run")
		})
	}
}

func TestRun_stops_before_its_start(t *testing.T) {
	t.Parallel()
	c := gluetest.New(t, gluetest.Options{Script: script, Grace: 300 * time.Millisecond}).Client(t)
	for range 5 {
		id, err := c.Start(t.Context(), do("wait"))
		require.NoError(t, err)
		require.NoError(t, c.Stop(t.Context(), id))
		require.EqualValues(t, glue.Stopped, awaitOver(t, c, id).State)
	}
}

func TestStart_respects_MaxConcurrentRuns_in_a_race(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{Script: script, Job: glue.Job{MaxConcurrentRuns: 2}})
	c := e.Client(t)
	var started atomic.Int32
	var ids sync.Map
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			id, err := c.Start(t.Context(), do("wait"))
			if err == nil {
				ids.Store(id, true)
				started.Add(1)
				return
			}
			if !awsclient.ConcurrentRunsExceeded(err) || !awsclient.Retryable(err) {
				t.Errorf("rejected with %v", err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 2, started.Load())

	ids.Range(func(id, _ any) bool {
		require.NoError(t, c.Stop(t.Context(), id.(string)))
		awaitOver(t, c, id.(string))
		return true
	})
	_, err := c.Start(t.Context(), do("succeed"))
	require.NoError(t, err, "a finished run leaves room")
}

func TestStart_refuses_an_unknown_job(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{})
	_, err := gluetest.Client(t, e.URL(), "other").Start(t.Context(), nil)
	require.ErrorIs(t, err, recsys.ErrNotFound)
	require.ErrorContains(t, err, "EntityNotFoundException")
	require.False(t, awsclient.Retryable(err))
}

// syncBuffer is a buffer that is safe for concurrent use.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
