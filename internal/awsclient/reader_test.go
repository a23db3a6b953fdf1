package awsclient_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/recsys"
)

func TestReader_starts_at_an_offset(t *testing.T) {
	t.Parallel()
	s, ctx := awstest.S3(t), t.Context()
	require.NoError(t, s.Put(ctx, "k", strings.NewReader("0123456789")))

	r, err := s.Open(ctx, "k", 7)
	require.NoError(t, err)
	defer r.Close()
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "789", string(data))
	require.EqualValues(t, 10, r.Object().Size)
}

func TestReader_reads_an_empty_object(t *testing.T) {
	t.Parallel()
	s, ctx := awstest.S3(t), t.Context()
	require.NoError(t, s.Put(ctx, "k", strings.NewReader("")))

	data, err := s.Get(ctx, "k", 0)
	require.NoError(t, err)
	require.Empty(t, data)
}

func TestReader_resumes_after_a_broken_connection(t *testing.T) {
	t.Parallel()
	direct, ctx := awstest.S3(t), t.Context()
	content := make([]byte, 300_000)
	for i := range content {
		content[i] = byte(rand.Uint32())
	}
	require.NoError(t, direct.Put(ctx, "k", bytes.NewReader(content)))
	broken, cuts := breakingProxy(t, direct.Bucket(), 3, 50_000)

	r, err := broken.Open(ctx, "k", 0)
	require.NoError(t, err)
	defer r.Close()
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, content, data)
	require.EqualValues(t, 3, cuts.Load())
}

func TestReader_gives_up_after_repeated_broken_connections(t *testing.T) {
	t.Parallel()
	direct, ctx := awstest.S3(t), t.Context()
	require.NoError(t, direct.Put(ctx, "k", strings.NewReader("0123456789")))
	broken, _ := breakingProxy(t, direct.Bucket(), 1_000_000, 0)

	r, err := broken.Open(ctx, "k", 0)
	require.NoError(t, err)
	defer r.Close()
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.True(t, awsclient.Retryable(err))
}

func TestReader_does_not_mix_two_objects(t *testing.T) {
	t.Parallel()
	direct, ctx := awstest.S3(t), t.Context()
	require.NoError(t, direct.Put(ctx, "k", bytes.NewReader(make([]byte, 300_000))))
	broken, _ := breakingProxy(t, direct.Bucket(), 1, 50_000)

	r, err := broken.Open(ctx, "k", 0)
	require.NoError(t, err)
	defer r.Close()
	require.NoError(t, direct.Put(ctx, "k", bytes.NewReader(bytes.Repeat([]byte{1}, 300_000))))
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, recsys.ErrConflict)
}

// breakingProxy returns a client whose first n downloads end after keep bytes, and
// a counter of those downloads.
func breakingProxy(t *testing.T, bucket string, n int64, keep int) (*awsclient.S3, *atomic.Int64) {
	t.Helper()
	env := awstest.Env(t)
	upstream, err := url.Parse(env["AWS_ENDPOINT_URL_S3"])
	require.NoError(t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	proxy.Transport = transport
	var cuts atomic.Int64
	faults := harnesstest.CountFaults(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodGet || cuts.Load() >= n {
			proxy.ServeHTTP(w, req)
			return
		}
		cuts.Add(1)
		faults.Inject("download cut")
		out := req.Clone(req.Context())
		out.URL.Scheme, out.URL.Host, out.RequestURI = upstream.Scheme, upstream.Host, ""
		res, err := transport.RoundTrip(out)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer res.Body.Close()
		for k, v := range res.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(res.StatusCode)
		io.CopyN(w, res.Body, int64(keep))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	server.Config.ErrorLog = nil
	t.Cleanup(server.Close)
	env["AWS_ENDPOINT_URL_S3"] = server.URL
	c, err := awsclient.Load(t.Context(), awsclient.OptionsFrom(env))
	require.NoError(t, err)
	return awsclient.NewS3(c, bucket), &cuts
}
