// Package apitest runs the API, or a part of it, in tests: on a database of its
// own, behind a real HTTP server.
package apitest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/telemetry"
	"github.com/recflow/recflow/internal/temporaltest"
)

// Harness is a handler with its dependencies. Its Temporal is unreachable without
// WithTemporal.
type Harness struct {
	T        *testing.T
	Store    *postgrestest.Store
	Temporal client.Client
	Settings config.API
	Log      *slog.Logger
	Handler  http.Handler
	URL      string
	Token    string // with all scopes
}

// Option changes the harness before the handler is built.
type Option func(*Harness)

// WithTemporal gives the handler a Temporal namespace of its own, without a worker.
func WithTemporal(h *Harness) {
	server := temporaltest.Shared(h.T)
	h.Settings.Temporal.Address, h.Settings.Temporal.Namespace = server.Address, server.Namespace(h.T)
}

// WithSettings changes the settings.
func WithSettings(change func(*config.API)) Option {
	return func(h *Harness) { change(&h.Settings) }
}

// WithDatabase uses the migrated database at url, for a test that breaks its server.
func WithDatabase(url string) Option {
	return func(h *Harness) { h.Store = postgrestest.Open(h.T, url) }
}

// WithLog makes the handler log to a buffer; see Logged.
func WithLog(out *harnesstest.Buffer) Option {
	return func(h *Harness) { h.Log = telemetry.NewLogger(out, slog.LevelInfo) }
}

// New serves the handler that build returns.
func New(t *testing.T, build func(*Harness) http.Handler, options ...Option) *Harness {
	t.Helper()
	h := &Harness{T: t, Log: slog.New(slog.DiscardHandler), Settings: config.API{
		Auth: config.AuthToken, Rate: 10_000, Burst: 10_000, Database: config.Database{MaxConns: postgrestest.MaxConns},
		Temporal: config.Temporal{Address: "127.0.0.1:1", Namespace: "none", TaskQueue: "recflow", UI: "http://temporal.test"},
	}}
	for _, o := range options {
		o(h)
	}
	temporal, err := client.NewLazyClient(client.Options{HostPort: h.Settings.Temporal.Address, Namespace: h.Settings.Temporal.Namespace, Logger: temporaltest.Quiet})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	h.Temporal = temporal
	if h.Store == nil {
		h.Store = postgrestest.New(t)
	}
	h.Handler = build(h)
	server := httptest.NewServer(h.Handler)
	t.Cleanup(server.Close)
	h.URL = server.URL
	h.Token = h.TokenWith("test", apiclient.Scopes()...)
	return h
}

// TokenWith creates a token with these scopes.
func (h *Harness) TokenWith(name string, allowed ...string) string {
	h.T.Helper()
	text, key, digest := apiclient.MintToken()
	h.Admit(name, key, digest, allowed...)
	return text
}

// Admit stores a token with these scopes.
func (h *Harness) Admit(name, key string, digest [sha256.Size]byte, allowed ...string) {
	h.T.Helper()
	n := ledger.NewToken{Token: ledger.Token{Name: name, Scopes: allowed, CreatedBy: "test"}, Key: key, Digest: digest}
	_, err := h.Store.CreateToken(h.T.Context(), n)
	require.NoError(h.T, err)
}

// Client calls the API with a token.
func (h *Harness) Client(token string) *apiclient.Client {
	return apiclient.New(apiclient.Options{URL: h.URL, Token: token})
}

// Answer is an HTTP response.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Problem decodes the body as a problem.
func (a Answer) Problem(t *testing.T) apiclient.Problem {
	t.Helper()
	require.Equal(t, apiclient.ProblemType, a.Header.Get("Content-Type"), string(a.Body))
	var p apiclient.Problem
	require.NoError(t, json.Unmarshal(a.Body, &p), string(a.Body))
	require.Equal(t, a.Status, p.Status)
	require.NotEmpty(t, p.Code)
	require.NotEmpty(t, p.Detail)
	require.Len(t, p.TraceID, 32)
	require.Equal(t, p.TraceID, a.Header.Get("Trace-Id"))
	return p
}

// Into decodes the body.
func (a Answer) Into(t *testing.T, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(a.Body, v), string(a.Body))
}

// Do sends a request with the token that has all scopes. A string body is sent
// unchanged, any other as JSON, and nil sends none. headers are
// "Name: value".
func (h *Harness) Do(method, path string, body any, headers ...string) Answer {
	h.T.Helper()
	return h.DoAs(h.Token, method, path, body, headers...)
}

// DoAs is Do with another token; empty for none.
func (h *Harness) DoAs(token, method, path string, body any, headers ...string) Answer {
	h.T.Helper()
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		require.NoError(h.T, err)
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(h.T.Context(), method, h.URL+path, content)
	require.NoError(h.T, err)
	if content != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(h.T, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(h.T, err)
	require.NotContains(h.T, string(data), `"0001-01-01T`, "a time that is not known is absent")
	return Answer{resp.StatusCode, resp.Header, data}
}

// Audited returns the audit entries, newest first: "outcome action target code".
func (h *Harness) Audited() (lines []string) {
	h.T.Helper()
	entries, err := h.Store.AuditEntries(h.T.Context(), ledger.AuditFilter{}, 1000)
	require.NoError(h.T, err)
	for _, e := range entries {
		lines = append(lines, strings.Join(strings.Fields(e.Outcome+" "+e.Action+" "+e.Target+" "+e.Code), " "))
	}
	return lines
}

// Logged returns the log record with this message, which must be logged exactly once.
func Logged(t *testing.T, out *harnesstest.Buffer, message string) map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range strings.Lines(out.String()) {
		record := map[string]any{}
		require.NoError(t, json.Unmarshal([]byte(line), &record), line)
		require.Equal(t, 1, strings.Count(line, `"trace_id"`), line)
		if record["msg"] == message {
			found = append(found, record)
		}
	}
	require.Len(t, found, 1, message+" in:\n"+out.String())
	return found[0]
}
