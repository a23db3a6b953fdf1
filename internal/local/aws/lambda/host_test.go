package lambda_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/lambda"
)

// bootstrap is a real function on the real runtime library.
var bootstrap string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "recflow-lambda-")
	if err != nil {
		panic(err)
	}
	bootstrap = filepath.Join(dir, "bootstrap")
	if out, err := exec.Command("go", "build", "-o", bootstrap, "./testdata/bootstrap").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build the function: %v\n%s", err, out))
	}
	code := m.Run()
	os.RemoveAll(dir)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func host(t testing.TB, change func(*lambda.Options)) (*lambda.Host, *harnesstest.Buffer) {
	t.Helper()
	log := &harnesstest.Buffer{}
	o := lambda.Options{Name: "f", Command: []string{bootstrap}, Timeout: 20 * time.Second, Log: log}
	if change != nil {
		change(&o)
	}
	h, err := lambda.New(o)
	require.NoError(t, err)
	t.Cleanup(h.Close)
	return h, log
}

// call invokes a function that can be reached, whatever the result.
func call(t testing.TB, h *lambda.Host, request map[string]any) (result string, functionError string) {
	t.Helper()
	payload, err := json.Marshal(request)
	require.NoError(t, err)
	out, functionError, err := h.Invoke(t.Context(), payload)
	require.NoError(t, err)
	return string(out), functionError
}

type echo struct {
	Text, Request, ARN string
	Calls, PID         int
	LeftMS             int `json:"left_ms"`
	Env                []string
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	h, log := host(t, func(o *lambda.Options) { o.Env = map[string]string{"OURS": "1"} })
	var first, second echo
	for i, to := range []*echo{&first, &second} {
		result, failed := call(t, h, map[string]any{"Do": "echo", "Text": strconv.Itoa(i)})
		require.Empty(t, failed)
		require.NoError(t, json.Unmarshal([]byte(result), to))
		require.Equal(t, strconv.Itoa(i), to.Text)
	}
	require.Equal(t, 2, second.Calls, "the environment stays warm")
	require.Equal(t, first.PID, second.PID)
	require.NotEqual(t, first.Request, second.Request)
	require.Equal(t, h.ARN(), first.ARN)
	require.InDelta(t, 20_000, first.LeftMS, 5000)
	require.Contains(t, first.Env, "OURS=1")
	require.Contains(t, first.Env, "AWS_LAMBDA_FUNCTION_NAME=f")
	for _, v := range first.Env {
		require.NotContains(t, v, "HOME=", "no variables of this process's environment")
	}
	// Its output arrives through a pipe, asynchronously.
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "a line for the log\n") }, 10*time.Second, 5*time.Millisecond)
	require.Contains(t, log.String(), "START RequestId: "+first.Request)
	require.Equal(t, 1, strings.Count(log.String(), "Init Duration"))
}

func TestInvoke_returns_the_error_of_the_function(t *testing.T) {
	t.Parallel()
	h, log := host(t, nil)
	result, failed := call(t, h, map[string]any{"Do": "error", "Text": "no luck"})
	require.Equal(t, lambda.Unhandled, failed)
	require.Contains(t, result, "no luck")

	result, failed = call(t, h, map[string]any{"Do": "panic", "Text": "oh"})
	require.Equal(t, lambda.Unhandled, failed)
	require.Contains(t, result, "oh")

	result, failed = call(t, h, map[string]any{"Do": "exit", "N": 7})
	require.Equal(t, lambda.Unhandled, failed)
	require.Contains(t, result, "exit status 7")
	require.Contains(t, result, "last words")

	result, failed = call(t, h, nil)
	require.Empty(t, failed)
	require.Equal(t, "1", result, "a new environment takes over")
	require.Contains(t, log.String(), "last words\n")
}

func TestInvoke_times_out(t *testing.T) {
	t.Parallel()
	h, _ := host(t, func(o *lambda.Options) { o.Timeout = 300 * time.Millisecond })
	result, failed := call(t, h, map[string]any{"Do": "sleep", "N": 60_000})
	require.Equal(t, lambda.Unhandled, failed)
	require.Contains(t, result, "timed out after 0.30 seconds")
	result, failed = call(t, h, nil)
	require.Empty(t, failed)
	require.Equal(t, "1", result)
}

func TestInvoke_is_cancelled_by_the_caller(t *testing.T) {
	t.Parallel()
	h, _ := host(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, failed, err := h.Invoke(ctx, []byte(`{"Do":"sleep","N":60000}`))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, failed)
	require.Zero(t, h.Environments())
}

func TestInvoke_reports_a_function_that_does_not_start(t *testing.T) {
	t.Parallel()
	h, _ := host(t, func(o *lambda.Options) { o.Env = map[string]string{"START": "exit"} })
	_, _, err := h.Invoke(t.Context(), []byte("{}"))
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "no database")
	require.Zero(t, h.Environments())

	h, _ = host(t, func(o *lambda.Options) { o.Command = []string{"/nowhere/bootstrap"} })
	_, _, err = h.Invoke(t.Context(), []byte("{}"))
	require.ErrorContains(t, err, "/nowhere/bootstrap")

	h, _ = host(t, func(o *lambda.Options) { o.Env = map[string]string{"START": "hang"} })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, _, err = h.Invoke(ctx, []byte("{}"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Zero(t, h.Environments())
}

func TestInvoke_limits_the_payload(t *testing.T) {
	t.Parallel()
	h, _ := host(t, nil)
	_, _, err := h.Invoke(t.Context(), make([]byte, lambda.MaxPayload+1))
	require.ErrorIs(t, err, lambda.ErrTooLarge)
	request, err := json.Marshal(map[string]any{"Text": strings.Repeat("x", lambda.MaxPayload-100)})
	require.NoError(t, err)
	_, failed, err := h.Invoke(t.Context(), request)
	require.NoError(t, err)
	require.Empty(t, failed)
	result, failed := call(t, h, map[string]any{"Do": "large", "N": lambda.MaxPayload - 10})
	require.Empty(t, failed)
	require.Len(t, result, lambda.MaxPayload-8)
	result, failed = call(t, h, map[string]any{"Do": "large", "N": lambda.MaxPayload})
	require.Equal(t, lambda.Unhandled, failed)
	require.Contains(t, result, "ResponseSizeTooLarge")
}

func TestEnvironment_ends_leftover_processes(t *testing.T) {
	t.Parallel()
	h, _ := host(t, nil)
	result, _ := call(t, h, map[string]any{"Do": "child"})
	child, err := strconv.Atoi(result)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(child, 0))
	call(t, h, map[string]any{"Do": "exit", "N": 1})
	require.Eventually(t, func() bool { return gone(child) }, 10*time.Second, 5*time.Millisecond)

	result, _ = call(t, h, map[string]any{"Do": "child"})
	child, err = strconv.Atoi(result)
	require.NoError(t, err)
	h.Close()
	require.Eventually(t, func() bool { return gone(child) }, 10*time.Second, 5*time.Millisecond)
	_, _, err = h.Invoke(t.Context(), []byte("{}"))
	require.ErrorContains(t, err, "closed")
}

// gone reports whether a process has ended, even if it has not been reaped.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(stat, []byte(") Z "))
}

func TestEnvironments_are_limited(t *testing.T) {
	t.Parallel()
	h, _ := host(t, func(o *lambda.Options) { o.MaxEnvironments = 3 })
	var group sync.WaitGroup
	for range 30 {
		group.Go(func() {
			_, failed, err := h.Invoke(t.Context(), []byte(`{"Do":"sleep","N":20}`))
			if err != nil || failed != "" {
				t.Error(failed, err)
			}
		})
	}
	group.Wait()
	require.LessOrEqual(t, h.Environments(), 3)
	require.Greater(t, h.Environments(), 1)
}

func TestEnvironment_is_replaced_when_it_dies_idle(t *testing.T) {
	t.Parallel()
	h, _ := host(t, nil)
	result, _ := call(t, h, map[string]any{"Do": "echo"})
	var first echo
	require.NoError(t, json.Unmarshal([]byte(result), &first))
	faults := harnesstest.CountFaults(t)
	require.NoError(t, syscall.Kill(first.PID, syscall.SIGKILL))
	faults.Inject("kill an idle environment")
	require.Eventually(t, func() bool { return h.Environments() == 0 }, 10*time.Second, time.Millisecond)
	result, failed := call(t, h, map[string]any{"Do": "echo"})
	require.Empty(t, failed, "nothing ran, so nothing failed")
	require.NotContains(t, result, fmt.Sprintf(`"pid":%d`, first.PID))
}

func TestEnvironment_is_replaced_when_it_requests_no_work(t *testing.T) {
	t.Parallel()
	h, _ := host(t, func(o *lambda.Options) { o.Timeout, o.Env = time.Second, map[string]string{"START": "deaf"} })
	first, failed := call(t, h, nil)
	require.Empty(t, failed)
	second, failed := call(t, h, nil)
	require.Empty(t, failed, "nothing ran, so nothing failed")
	require.NotEqual(t, first, second)
	require.Equal(t, 1, h.Environments())
}

func BenchmarkInvoke(b *testing.B) {
	h, _ := host(b, nil)
	for b.Loop() {
		call(b, h, map[string]any{"Do": "nothing"})
	}
}
