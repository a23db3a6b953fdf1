package main

import (
	"bytes"
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
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/temporaltest"
)

// harness is the API on a database of its own, behind a real HTTP server. Its
// Temporal is away unless a test asks for one.
type harness struct {
	t        *testing.T
	*server  // to look behind the answers
	store    *postgrestest.Store
	http     *httptest.Server
	token    string // that may do everything
	settings config.API
	address  string // of Temporal
	space    string
	logger   *slog.Logger
}

type harnessOption func(*harness)

// withTemporal gives the API a Temporal namespace of its own, where no worker
// is unless the test runs one.
func withTemporal(h *harness) {
	server := temporaltest.Shared(h.t)
	h.address, h.space = server.Address, server.Namespace(h.t)
}

// withSettings changes the settings.
func withSettings(change func(*config.API)) harnessOption {
	return func(h *harness) { change(&h.settings) }
}

func newHarness(t *testing.T, options ...harnessOption) *harness {
	t.Helper()
	h := &harness{t: t, settings: config.API{Auth: config.AuthToken, Rate: 10_000, Burst: 10_000}, address: "127.0.0.1:1", space: "none", logger: slog.New(slog.DiscardHandler)}
	for _, o := range options {
		o(h)
	}
	h.settings.Temporal = config.Temporal{Address: h.address, Namespace: h.space, TaskQueue: "recflow", UI: "http://temporal.test"}
	temporal, err := client.NewLazyClient(client.Options{HostPort: h.address, Namespace: h.space, Logger: temporaltest.Quiet})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	h.store = postgrestest.New(t)
	h.server = newServer(h.settings, h.logger, h.store.DB, temporal)
	h.http = httptest.NewServer(h.handler())
	t.Cleanup(h.http.Close)
	h.token = h.tokenWith("test", apiclient.Scopes()...)
	return h
}

// tokenWith is a new token with these scopes.
func (h *harness) tokenWith(name string, allowed ...string) string {
	h.t.Helper()
	text, key, digest := apiclient.MintToken()
	n := ledger.NewToken{Token: ledger.Token{Name: name, Scopes: allowed, CreatedBy: "test"}, Key: key, Digest: digest}
	_, err := h.store.CreateToken(h.t.Context(), n)
	require.NoError(h.t, err)
	return text
}

// client calls the API with a token.
func (h *harness) client(token string) *apiclient.Client {
	return apiclient.New(apiclient.Options{URL: h.http.URL, Token: token})
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// problem is the body of a refusal.
func (a answer) problem(t *testing.T) apiclient.Problem {
	t.Helper()
	require.Equal(t, apiclient.ProblemType, a.header.Get("Content-Type"), string(a.body))
	var p apiclient.Problem
	require.NoError(t, json.Unmarshal(a.body, &p), string(a.body))
	require.Equal(t, a.status, p.Status)
	require.NotEmpty(t, p.Code)
	require.NotEmpty(t, p.Detail)
	require.Len(t, p.TraceID, 32)
	require.Equal(t, p.TraceID, a.header.Get("Trace-Id"))
	return p
}

func (a answer) into(t *testing.T, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(a.body, v), string(a.body))
}

// do sends a request with the token that may do everything. body is a string,
// sent as it is, or anything else, sent as JSON; nil sends none. headers are
// "Name: value".
func (h *harness) do(method, path string, body any, headers ...string) answer {
	h.t.Helper()
	return h.doAs(h.token, method, path, body, headers...)
}

// doAs is do with another token; empty for none.
func (h *harness) doAs(token, method, path string, body any, headers ...string) answer {
	h.t.Helper()
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		require.NoError(h.t, err)
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.http.URL+path, content)
	require.NoError(h.t, err)
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
	require.NoError(h.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(h.t, err)
	require.NotContains(h.t, string(data), `"0001-01-01T`, "a time that is not known is left out")
	return answer{resp.StatusCode, resp.Header, data}
}

// audited is what the audit holds, newest first: "outcome action target code".
func (h *harness) audited() (lines []string) {
	h.t.Helper()
	entries, err := h.store.AuditEntries(h.t.Context(), ledger.AuditFilter{}, 1000)
	require.NoError(h.t, err)
	for _, e := range entries {
		lines = append(lines, strings.Join(strings.Fields(e.Outcome+" "+e.Action+" "+e.Target+" "+e.Code), " "))
	}
	return lines
}
