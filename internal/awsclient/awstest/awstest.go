// Package awstest runs a real S3 emulator for tests. Each test binary starts and
// shares one emulator; every test gets its own bucket.
package awstest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/localport"
	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
)

const startTimeout = 30 * time.Second

// S3 returns a client for a new, empty bucket on the shared emulator. It fails the
// test when the local tools are not set up.
func S3(t testing.TB) *awsclient.S3 {
	t.Helper()
	s := awsclient.NewS3(Config(t), fmt.Sprintf("test-%d", buckets.Add(1)))
	if err := s.EnsureBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// Unlisted is S3 for a role that may not list the bucket: S3 reports a missing object
// as 403 then.
func Unlisted(t testing.TB) *awsclient.S3 {
	t.Helper()
	env := Env(t)
	target, err := url.Parse(env["AWS_ENDPOINT_URL_S3"])
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(r *http.Response) error {
		if r.StatusCode == http.StatusNotFound && strings.Count(r.Request.URL.Path, "/") > 1 {
			const refusal = `<Error><Code>AccessDenied</Code><Message>User is not authorized to perform: s3:ListBucket</Message></Error>`
			r.StatusCode, r.Body = http.StatusForbidden, io.NopCloser(strings.NewReader(refusal))
			r.ContentLength = int64(len(refusal))
			r.Header.Set("Content-Length", strconv.Itoa(len(refusal)))
		}
		return nil
	}
	srv := httptest.NewServer(proxy)
	t.Cleanup(srv.Close)
	env["AWS_ENDPOINT_URL_S3"] = srv.URL
	c, err := awsclient.Load(t.Context(), awsclient.OptionsFrom(env))
	if err != nil {
		t.Fatal(err)
	}
	s := awsclient.NewS3(c, fmt.Sprintf("test-%d", buckets.Add(1)))
	if err := s.EnsureBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// Config returns client settings for the emulator.
func Config(t testing.TB) awsclient.Config {
	t.Helper()
	c, err := awsclient.Load(t.Context(), awsclient.OptionsFrom(Env(t)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Env returns the environment a child process needs to use the emulator.
func Env(t testing.TB) map[string]string {
	t.Helper()
	toolchaintest.SkipShort(t)
	endpoint, err := start()
	if err != nil {
		t.Fatalf("start the S3 emulator: %v", err)
	}
	return map[string]string{
		"AWS_REGION":            "us-east-1",
		"AWS_ACCESS_KEY_ID":     "test",
		"AWS_SECRET_ACCESS_KEY": "test",
		"AWS_ENDPOINT_URL_S3":   endpoint,
		"AWS_ENDPOINT_URL_SNS":  endpoint,
	}
}

var (
	buckets atomic.Int64
	start   = sync.OnceValues(func() (endpoint string, err error) {
		endpoint, lifeline, err = startEmulator()
		return endpoint, err
	})

	// lifeline is kept reachable so that the garbage collector does not close it.
	lifeline io.Closer //nolint:unused // holding it is its use
)

// startEmulator starts the emulator on a reserved port and waits until it responds.
// Its parent is a shell that stops it when the lifeline is closed or this process
// exits for any reason, because a test binary has no exit hook.
func startEmulator(env ...string) (endpoint string, lifeline io.Closer, err error) {
	tools, err := toolchaintest.Installed()
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "recflow-s3-")
	if err != nil {
		return "", nil, err
	}
	port, err := localport.Reserve()
	if err != nil {
		return "", nil, err
	}
	// The shell's standard input is a pipe whose write end only this process has
	// open.
	const guard = `"$1" >"$2/log" 2>&1 </dev/null & pid=$!; cat >/dev/null; kill $pid; wait $pid; rm -rf "$2"`
	cmd := exec.Command("/bin/sh", "-c", guard, "s3-guard", tools.MiniStack, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // not affected by the terminal's Ctrl-C
	cmd.Env = append(cmd.Environ(),
		"BIND_HOST=127.0.0.1", "GATEWAY_PORT="+strconv.Itoa(port),
		"S3_PERSIST=1", "S3_DATA_DIR="+filepath.Join(dir, "s3"),
		"PERSIST_STATE=1", "STATE_DIR="+filepath.Join(dir, "state"))
	cmd.Env = append(cmd.Env, env...)
	if lifeline, err = cmd.StdinPipe(); err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	endpoint = "http://127.0.0.1:" + strconv.Itoa(port)
	if err := waitReady(endpoint); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return "", nil, fmt.Errorf("%w; its output:\n%s", err, strings.TrimSpace(string(log)))
	}
	return endpoint, lifeline, nil
}

func waitReady(endpoint string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/_ministack/health", nil)
	if err != nil {
		return err
	}
	err = harnesstest.Poll(ctx, 20*time.Millisecond, func() bool {
		res, err := client.Do(req)
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	if err != nil {
		return fmt.Errorf("not ready after %s", startTimeout)
	}
	return nil
}
