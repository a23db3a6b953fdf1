package awsclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/recsys"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Idle connections that clients keep for their next call.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"))
}

func TestS3_reads_back_what_it_wrote(t *testing.T) {
	t.Parallel()
	s, ctx := awstest.S3(t), t.Context()

	require.NoError(t, s.Put(ctx, "a/b c+ü.json", strings.NewReader("first")))
	require.NoError(t, s.Put(ctx, "a/b c+ü.json", strings.NewReader("second")))

	data, err := s.Get(ctx, "a/b c+ü.json", 6)
	require.NoError(t, err)
	require.Equal(t, "second", string(data))

	o, err := s.Stat(ctx, "a/b c+ü.json")
	require.NoError(t, err)
	require.EqualValues(t, 6, o.Size)
	require.NotEmpty(t, o.ETag)
	require.False(t, o.Modified.IsZero())
}

func TestS3_refuses_an_object_over_the_limit(t *testing.T) {
	t.Parallel()
	s, ctx := awstest.S3(t), t.Context()
	require.NoError(t, s.Put(ctx, "k", strings.NewReader("second")))

	_, err := s.Get(ctx, "k", 5)
	require.ErrorIs(t, err, awsclient.ErrTooLarge)
	require.False(t, awsclient.Retryable(err))
}

func TestS3_returns_ErrNotFound(t *testing.T) {
	t.Parallel()
	s, ctx := awstest.S3(t), t.Context()

	_, err := s.Get(ctx, "missing", 10)
	require.ErrorIs(t, err, recsys.ErrNotFound)
	require.False(t, awsclient.Retryable(err))

	_, err = s.Stat(ctx, "missing")
	require.ErrorIs(t, err, recsys.ErrNotFound)

	elsewhere := awsclient.NewS3(awstest.Config(t), "no-such-bucket")
	_, err = elsewhere.Get(ctx, "k", 10)
	require.ErrorIs(t, err, recsys.ErrNotFound)
}

func TestS3_PutIfAbsent_succeeds_for_one_of_many_writers(t *testing.T) {
	t.Parallel()
	s, ctx := awstest.S3(t), t.Context()

	const writers = 8
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() { errs[i] = s.PutIfAbsent(ctx, "manifest.json", []byte(fmt.Sprint(i))) })
	}
	wg.Wait()

	winner := -1
	for i, err := range errs {
		if err == nil {
			require.Equal(t, -1, winner, "two writers won")
			winner = i
			continue
		}
		require.ErrorIs(t, err, recsys.ErrConflict)
		require.False(t, awsclient.Retryable(err))
	}
	data, err := s.Get(ctx, "manifest.json", 10)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(winner), string(data))
}

func TestS3_PutIfAbsent_knows_its_own_object_when_responses_are_lost(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]int64{"of one try": 1, "of every try": 1000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct, ctx := awstest.S3(t), t.Context()
			s := losingProxy(t, direct.Bucket(), lost)

			require.NoError(t, s.PutIfAbsent(ctx, "k", []byte("mine")))
			require.ErrorIs(t, s.PutIfAbsent(ctx, "k", []byte("other")), recsys.ErrConflict)
			require.ErrorIs(t, s.PutIfAbsent(ctx, "k", nil), recsys.ErrConflict)

			data, err := direct.Get(ctx, "k", 10)
			require.NoError(t, err)
			require.Equal(t, "mine", string(data))
		})
	}
}

// losingProxy returns a client of the bucket whose first n puts are stored and not
// answered.
func losingProxy(t *testing.T, bucket string, n int64) *awsclient.S3 {
	t.Helper()
	env := awstest.Env(t)
	upstream, err := url.Parse(env["AWS_ENDPOINT_URL_S3"])
	require.NoError(t, err)
	faults := harnesstest.CountFaults(t)
	var lost atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	proxy.Transport = &http.Transport{DisableKeepAlives: true}
	proxy.ModifyResponse = func(res *http.Response) error {
		if res.Request.Method == http.MethodPut && lost.Add(1) <= n {
			faults.Inject("response lost")
			panic(http.ErrAbortHandler)
		}
		return nil
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	env["AWS_ENDPOINT_URL_S3"] = server.URL
	c, err := awsclient.Load(t.Context(), awsclient.OptionsFrom(env))
	require.NoError(t, err)
	return awsclient.NewS3(c, bucket)
}

func TestS3_lists_and_deletes_beyond_a_page(t *testing.T) {
	t.Parallel()
	s, ctx := awstest.S3(t), t.Context()

	const n = 1005 // a page has 1000
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for w := range errs {
		wg.Go(func() {
			for i := w; i < n; i += len(errs) {
				errs[w] = errors.Join(errs[w], s.Put(ctx, fmt.Sprintf("p/%04d", i), bytes.NewReader([]byte("x"))))
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.NoError(t, s.Put(ctx, "q", strings.NewReader("")))

	var keys []string
	for o, err := range s.List(ctx, "p/") {
		require.NoError(t, err)
		require.EqualValues(t, 1, o.Size)
		keys = append(keys, o.Key)
	}
	require.Len(t, keys, n)
	require.IsIncreasing(t, keys)

	require.NoError(t, s.DeleteObjects(ctx, append(keys, "never-was")...))
	for o, err := range s.List(ctx, "") {
		require.NoError(t, err)
		require.Equal(t, "q", o.Key)
	}
}

func TestS3_EnsureBucket_accepts_an_existing_bucket(t *testing.T) {
	t.Parallel()
	require.NoError(t, awstest.S3(t).EnsureBucket(t.Context()))
}

func TestRetryable_is_false_for_a_cancelled_call(t *testing.T) {
	t.Parallel()
	s := awstest.S3(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Get(ctx, "k", 1)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, awsclient.Retryable(err))
}
