package glue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/glue"
)

// endpointVariable makes this test binary run an endpoint: its options, as JSON.
const endpointVariable = "GLUE_TEST_ENDPOINT"

func TestMain(m *testing.M) {
	if options := os.Getenv(endpointVariable); options != "" {
		if err := serve(options); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m,
		// Idle connections that clients keep for their next call.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"))
}

// serve does what `recflow local glue` does. It prints the address when ready.
func serve(options string) error {
	var o glue.Options
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s, err := glue.New(o)
	if err != nil {
		return err
	}
	return s.Run(ctx, func(addr string) { fmt.Println(addr) })
}

// script is the job of these tests: after creating the file "running" in the run's
// directory it performs the action of its argument --do.
const script = `
import os, signal, subprocess, sys, time
a = dict(zip(sys.argv[1::2], sys.argv[2::2]))
do = a.get("--do", "succeed")
def forever():
    while True: time.sleep(60)
if do == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if do == "polite":
    def tidy(*_):
        time.sleep(0.1)
        open("tidied", "w").close()
        sys.exit(0)
    signal.signal(signal.SIGTERM, tidy)
if do in ("grandchild", "leave"):
    child = subprocess.Popen(["sleep", "1000"])
    open("child", "w").write(str(child.pid))
open("me.tmp", "w").write(str(os.getpid())); os.rename("me.tmp", "running")
if do == "fail":
    print("on the way", flush=True)
    print("RECFLOW_ERROR DataInvalid: 3 rows without a user", file=sys.stderr, flush=True)
    print("later noise", flush=True)
    sys.exit(1)
if do == "die":
    print("RECFLOW_ERROR SparkDied: the Spark JVM died. Log: " + os.environ["RECFLOW_JOB_LOG"], file=sys.stderr, flush=True)
    sys.exit(1)
if do == "crash":
    raise ValueError("no such column")
if do == "huge":
    for i in range(2000): print("x" * 1000, i)
    print("the end of it")
    sys.exit(3)
if do == "spew":
    while not os.path.exists("enough"):
        for i in range(1000): print("y" * 100)
if do == "arguments":
    print(repr(sys.argv[1:]), os.environ.get("GIVEN"), os.getcwd() == os.path.dirname(os.environ["TMPDIR"]), flush=True)
if do in ("wait", "stubborn", "polite", "grandchild"):
    forever()
if do == "until":
    while not os.path.exists(a["--file"]): time.sleep(0.01)
    sys.exit(int(a["--status"]))
`

const patience = 20 * time.Second

// await waits until the run is in one of the states and returns it.
func await(t *testing.T, c *awsclient.Glue, id string, states ...glue.State) awsclient.GlueRun {
	t.Helper()
	var r awsclient.GlueRun
	harnesstest.Eventually(t, fmt.Sprintf("run %s in one of the states %v", id, states), func() bool {
		var err error
		r, err = c.Get(t.Context(), id)
		require.NoError(t, err)
		for _, s := range states {
			if string(r.State) == string(s) {
				return true
			}
		}
		require.False(t, r.State.Over(), "%s: %s", r.State, r.Message)
		return false
	})
	return r
}

// kill sends a counted SIGKILL. The process must exist.
func kill(t *testing.T, faults *harnesstest.Faults, what string, pid int) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL), what)
	faults.Inject("kill the " + what)
}

// awaitOver waits until the run has ended.
func awaitOver(t *testing.T, c *awsclient.Glue, id string) awsclient.GlueRun {
	t.Helper()
	return await(t, c, id, glue.Succeeded, glue.Failed, glue.Stopped, glue.TimedOut)
}

// awaitPid waits until the job has written a process id to a file of its run.
func awaitPid(t *testing.T, o glue.Options, id, file string) int {
	t.Helper()
	pid := 0
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(filepath.Join(o.StateDir, "runs", id, file))
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(data)))
		return err == nil
	}, patience, 5*time.Millisecond)
	return pid
}

// requireGone waits until a process has ended. A zombie counts as ended: in a
// container there may be no process that reaps orphans.
func requireGone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool { return !alive(pid) }, patience, 5*time.Millisecond, "process %d still exists", pid)
}

func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !os.IsNotExist(err) || !isDir("/proc/self")
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func do(what string) map[string]string { return map[string]string{"--do": what} }
