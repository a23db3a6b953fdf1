package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/postgres"
)

// harness is an API with two operations that do nothing: GET /things, and
// POST /things, which counts as a change.
type harness struct {
	*apitest.Harness
	api *API
}

func nothing(context.Context, *struct{}) (*struct{}, error) { return nil, nil }

func newHarness(t *testing.T, options ...apitest.Option) *harness {
	t.Helper()
	h := &harness{}
	h.Harness = apitest.New(t, func(with *apitest.Harness) http.Handler {
		h.api = New(&huma.Info{Title: "things", Version: "1"}, with.Settings, with.Log, with.Store.LedgerStore)
		Register(h.api, huma.Operation{OperationID: "list-things", Method: http.MethodGet, Path: "/things"}, Access{Scope: apiclient.ScopeRead}, nothing)
		Register(h.api, huma.Operation{OperationID: "create-thing", Method: http.MethodPost, Path: "/things"},
			Access{Scope: apiclient.ScopeOperate, Action: "thing.create"}, nothing)
		return h.api.Handler()
	}, options...)
	return h
}

func TestRegister_requires_a_scope(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	require.Panics(t, func() {
		Register(h.api, huma.Operation{Method: http.MethodGet, Path: "/more"}, Access{}, func(context.Context, *struct{}) (*struct{}, error) { return nil, nil })
	})
}

func TestRefusedChange_is_in_the_audit(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	reader := h.TokenWith("reader", apiclient.ScopeRead)
	require.Equal(t, http.StatusNoContent, h.DoAs(reader, "GET", "/things", nil).Status)
	require.Equal(t, "missing_scope", h.DoAs(reader, "POST", "/things", nil).Problem(t).Code)
	require.Equal(t, []string{"refused thing.create missing_scope"}, h.Audited())
}

func TestRevokedToken_is_cached_for_a_limited_time(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	token := h.TokenWith("shop", apiclient.ScopeRead)
	require.Equal(t, http.StatusNoContent, h.DoAs(token, "GET", "/things", nil).Status)
	tokens, err := h.Store.Tokens(t.Context(), 0, 1)
	require.NoError(t, err)
	_, err = h.Store.RevokeToken(t.Context(), tokens[0].ID)
	require.NoError(t, err)
	revoked := time.Now()
	h.api.authenticator.now = func() time.Time { return revoked }
	require.Equal(t, http.StatusNoContent, h.DoAs(token, "GET", "/things", nil).Status)
	h.api.authenticator.now = func() time.Time { return revoked.Add(tokenCacheTTL) }
	require.Equal(t, "bad_token", h.DoAs(token, "GET", "/things", nil).Problem(t).Code)
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	h := newHarness(t, apitest.WithSettings(func(c *config.API) { c.Rate, c.Burst = 0.01, 3 }))
	for left := 2; left >= 0; left-- {
		ok := h.Do("GET", "/things", nil)
		require.Equal(t, http.StatusNoContent, ok.Status)
		require.Equal(t, "3", ok.Header.Get("RateLimit-Limit"))
		require.Equal(t, strconv.Itoa(left), ok.Header.Get("RateLimit-Remaining"))
	}
	often := h.Do("POST", "/things", nil)
	require.Equal(t, "too_many_requests", often.Problem(t).Code)
	after, err := strconv.Atoi(often.Header.Get("Retry-After"))
	require.NoError(t, err)
	require.InDelta(t, 90, after, 10, "a token comes every hundred seconds")
	require.Empty(t, h.Audited(), "who comes too often does not fill the audit")
	require.Equal(t, http.StatusNoContent, h.DoAs(h.TokenWith("other", apiclient.ScopeRead), "GET", "/things", nil).Status, "other callers are not limited")
	passed := 0
	for status := http.StatusUnauthorized; status != http.StatusTooManyRequests; passed++ {
		require.Equal(t, http.StatusUnauthorized, status)
		require.Less(t, passed, 100*anonymousBurst, "requests without a token are not limited")
		status = h.DoAs("", "GET", "/things", nil).Status
	}
	require.Greater(t, passed, anonymousBurst, "the burst comes first; a slow machine is given more")
}

// TestDroppedVersion_is_described_without_the_message_of_the_database has the error of
// a statement on a version that was dropped.
func TestDroppedVersion_is_described_without_the_message_of_the_database(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	_, err := h.Store.Exec(t.Context(), "SELECT FROM v7.items")
	gone := fmt.Errorf("version 7: %w", postgres.Translate(err))
	RegisterPublic(h.api, huma.Operation{OperationID: "gone", Method: "GET", Path: "/gone"}, func(context.Context, *struct{}) (*struct{}, error) { return nil, gone })
	p := h.Do("GET", "/gone", nil).Problem(t)
	require.Equal(t, "version_gone", p.Code)
	require.Equal(t, "the version has been dropped", p.Detail)
}

// TestLostConnection_may_be_tried_again has the errors of a database that ends while a
// statement runs.
func TestLostConnection_may_be_tried_again(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for name, lost := range map[string]error{
		"end": io.ErrUnexpectedEOF, "reset": &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET},
	} {
		RegisterPublic(h.api, huma.Operation{OperationID: name, Method: "GET", Path: "/" + name}, func(context.Context, *struct{}) (*struct{}, error) {
			return nil, fmt.Errorf("read the users: %w", lost)
		})
		a := h.Do("GET", "/"+name, nil)
		require.Equal(t, []any{http.StatusServiceUnavailable, "connection_lost"}, []any{a.Status, a.Problem(t).Code})
		require.NotEmpty(t, a.Header.Get("Retry-After"))
	}
}

// TestInternalErrors_are_logged checks that an internal error is logged with its trace id
// and not sent.
func TestInternalErrors_are_logged(t *testing.T) {
	t.Parallel()
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, path := range []string{"/panics", "/fails", "/returns"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			var out harnesstest.Buffer
			h := newHarness(t, apitest.WithLog(&out))
			secret := errors.New("secret of " + path)
			fails := func(context.Context, *struct{}) (*struct{}, error) { return nil, secret }
			h.api.Router.GET("/panics", func(*gin.Context) { panic(secret) })
			huma.Register(h.api.operations, huma.Operation{Method: "GET", Path: "/fails"}, fails)
			RegisterPublic(h.api, huma.Operation{OperationID: "returns", Method: "GET", Path: "/returns"}, fails)

			a := h.Do("GET", path, nil, "Traceparent: 00-"+trace+"-00f067aa0ba902b7-01")
			require.Equal(t, http.StatusInternalServerError, a.Status)
			require.NotContains(t, string(a.Body), secret.Error())
			message, cause := "request failed", "error"
			if path == "/panics" {
				message, cause = "a handler panicked", "panic"
			}
			record := apitest.Logged(t, &out, message)
			require.Equal(t, trace, record["trace_id"])
			require.Contains(t, record[cause], secret.Error())
		})
	}
}
