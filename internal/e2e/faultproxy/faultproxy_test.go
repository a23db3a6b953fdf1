package faultproxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/e2e/faultproxy"
)

func TestProxy(t *testing.T) {
	t.Parallel()
	carriedOut := 0
	emulator := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		carriedOut++
		_, _ = io.WriteString(w, r.URL.Path)
	}))
	t.Cleanup(emulator.Close)
	var injected []faultproxy.Fault
	p, err := faultproxy.New(emulator.URL, 1, func(f faultproxy.Fault) { injected = append(injected, f) })
	require.NoError(t, err)
	proxy := httptest.NewServer(p)
	t.Cleanup(proxy.Close)
	call := func(target string) (status int, body string, err error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, proxy.URL+"/key", nil)
		require.NoError(t, err)
		if target != "" {
			req.Header.Set("X-Amz-Target", target)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(data), err
	}

	status, body, err := call("")
	require.NoError(t, err)
	require.Equal(t, []any{http.StatusOK, "/key", 1}, []any{status, body, carriedOut})
	require.Empty(t, injected)

	p.Set(faultproxy.Late, 1)
	_, body, err = call("")
	require.NoError(t, err)
	require.Equal(t, "/key", body)
	p.Set(faultproxy.Late, 0)

	p.Set(faultproxy.Lost, 1)
	_, _, err = call("")
	require.Error(t, err)
	require.Equal(t, 3, carriedOut)
	p.Set(faultproxy.Lost, 0)

	p.Set(faultproxy.Refused, 1)
	for target, want := range map[string]struct {
		status int
		code   string
	}{
		"":                            {http.StatusServiceUnavailable, "<Code>SlowDown</Code>"},
		"Kinesis_20131202.PutRecords": {http.StatusBadRequest, "ProvisionedThroughputExceededException"},
		"Firehose_20150804.PutRecord": {http.StatusServiceUnavailable, "ServiceUnavailableException"},
		"AWSGlue.StartJobRun":         {http.StatusServiceUnavailable, "ServiceUnavailableException"},
	} {
		status, body, err = call(target)
		require.NoError(t, err)
		require.Equal(t, want.status, status, target)
		require.Contains(t, body, want.code)
	}
	require.Equal(t, 3, carriedOut, "a refused call is not carried out")
	require.Equal(t, []faultproxy.Fault{
		faultproxy.Late, faultproxy.Lost, faultproxy.Refused, faultproxy.Refused, faultproxy.Refused, faultproxy.Refused,
	}, injected)
}
