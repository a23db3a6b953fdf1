package backfills

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/harnesstest"
)

const (
	aTrace      = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceHeader = "Traceparent: 00-" + aTrace + "-00f067aa0ba902b7-01"
)

// TestLogs_contain_the_trace_id checks that every log record of a request has its trace id.
func TestLogs_contain_the_trace_id(t *testing.T) {
	t.Parallel()
	var out harnesstest.Buffer
	h := newHarness(t, apitest.WithLog(&out)) // its Temporal is unreachable
	n, err := h.service.newBackfill(t.Context(), apiclient.NewBackfill{Kind: backfill.Refresh}, "")
	require.NoError(t, err)
	created, _, err := h.Store.CreateBackfill(t.Context(), n)
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, h.Do("POST", "/backfill/"+created.ID+"/cancel", nil, traceHeader).Status)
	left := apitest.Logged(t, &out, "failed to cancel a backfill, leaving it to a worker")
	require.Equal(t, []any{aTrace, created.ID}, []any{left["trace_id"], left["backfill"]})
	require.Equal(t, "POST", apitest.Logged(t, &out, "request")["method"])

	require.Equal(t, http.StatusServiceUnavailable, h.Do("GET", "/schedule", nil, traceHeader).Status)
	require.Equal(t, aTrace, apitest.Logged(t, &out, "Temporal is unreachable")["trace_id"])
}
