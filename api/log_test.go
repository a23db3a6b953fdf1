package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/telemetry"
)

const (
	aTrace      = "4bf92f3577b34da6a3ce929d0e0e4736"
	traceHeader = "Traceparent: 00-" + aTrace + "-00f067aa0ba902b7-01"
)

// lockedBuffer is written to by the handlers of several requests.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// find is the record with this message, which was logged once.
func (b *lockedBuffer) find(t *testing.T, message string) map[string]any {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []map[string]any
	for line := range strings.Lines(b.buf.String()) {
		record := map[string]any{}
		require.NoError(t, json.Unmarshal([]byte(line), &record), line)
		require.Equal(t, 1, strings.Count(line, `"trace_id"`), line)
		if record["msg"] == message {
			found = append(found, record)
		}
	}
	require.Len(t, found, 1, message+" in:\n"+b.buf.String())
	return found[0]
}

// TestLogsCarryTheTrace: whatever a request logs names its trace.
func TestLogsCarryTheTrace(t *testing.T) {
	t.Parallel()
	var out lockedBuffer
	h := newHarness(t, func(h *harness) { h.logger = telemetry.NewLogger(&out, slog.LevelInfo) }) // its Temporal does not answer
	n, err := newBackfill(t.Context(), apiclient.NewBackfill{Kind: backfill.Refresh}, "")
	require.NoError(t, err)
	created, _, err := h.store.CreateBackfill(t.Context(), n)
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, h.do("POST", "/backfill/"+created.ID+"/cancel", nil, traceHeader).status)
	left := out.find(t, "a backfill is left for a worker to cancel")
	require.Equal(t, []any{aTrace, created.ID}, []any{left["trace_id"], left["backfill"]})
	require.Equal(t, "POST", out.find(t, "request")["method"])

	require.Equal(t, http.StatusServiceUnavailable, h.do("GET", "/schedule", nil, traceHeader).status)
	require.Equal(t, aTrace, out.find(t, "Temporal is unreachable")["trace_id"])
}

// TestFailuresAreLogged: what goes wrong inside is logged with its trace, and not
// sent.
func TestFailuresAreLogged(t *testing.T) {
	t.Parallel()
	var out lockedBuffer
	s := newServer(config.API{Auth: config.AuthNone, Rate: 100, Burst: 100}, telemetry.NewLogger(&out, slog.LevelInfo), nil, nil)
	engine := s.routes()
	engine.GET("/panics", func(*gin.Context) { panic("secret one") })
	huma.Register(s.api, huma.Operation{Method: "GET", Path: "/fails"}, func(context.Context, *struct{}) (*struct{}, error) {
		return nil, errors.New("secret two")
	})
	open(s, huma.Operation{OperationID: "returns", Method: "GET", Path: "/returns"}, func(context.Context, *struct{}) (*struct{}, error) {
		return nil, errors.New("secret three")
	})
	for path, secret := range map[string]string{"/panics": "secret one", "/fails": "secret two", "/returns": "secret three"} {
		out.buf.Reset()
		req := httptest.NewRequest("GET", path, nil)
		name, value, _ := strings.Cut(traceHeader, ": ")
		req.Header.Set(name, value)
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, req)
		body, err := io.ReadAll(w.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusInternalServerError, w.Code, path)
		require.NotContains(t, string(body), secret)
		message, cause := "request failed", "error"
		if path == "/panics" {
			message, cause = "a handler panicked", "panic"
		}
		record := out.find(t, message)
		require.Equal(t, aTrace, record["trace_id"], path)
		require.Contains(t, record[cause], secret)
	}
}
