package main

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/postgres/ledger"
)

// everybody lists what needs no token.
var everybody = []string{"GET /docs", "GET /healthz", "GET /openapi.json", "GET /readyz", "GET /version"}

// TestEveryRouteDeniesByDefault walks the router: what it answers is open by
// name, or refuses who has no token and who has a token without its scope.
func TestEveryRouteDeniesByDefault(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var operations int
	for _, r := range h.routes().Routes() {
		name := r.Method + " " + r.Path
		if slices.Contains(everybody, name) {
			continue
		}
		operations++
		path := strings.NewReplacer(":version", "1", ":user", "u", ":id", "1", ":other", "2").Replace(r.Path)
		refused := h.doAs("", r.Method, path, nil)
		require.Equal(t, http.StatusUnauthorized, refused.status, name)
		require.Equal(t, "no_token", refused.problem(t).Code, name)
		require.NotEmpty(t, refused.header.Get("WWW-Authenticate"))

		wanted := h.operation(r.Method, r.Path)
		require.NotNil(t, wanted, name)
		require.Len(t, wanted.Security, 1, name)
		others := slices.DeleteFunc(apiclient.Scopes(), func(s string) bool { return s == wanted.Security[0][tokenScheme][0] })
		refused = h.doAs(h.tokenWith("without "+name, others...), r.Method, path, nil)
		require.Equal(t, http.StatusForbidden, refused.status, name)
		require.Equal(t, "missing_scope", refused.problem(t).Code, name)
	}
	require.Greater(t, operations, 3)
}

// operation is the operation of a route.
func (h *harness) operation(method, path string) *huma.Operation {
	for template, item := range h.api.OpenAPI().Paths {
		if strings.NewReplacer("{", ":", "}", "").Replace(template) != path {
			continue
		}
		return map[string]*huma.Operation{"GET": item.Get, "PUT": item.Put, "POST": item.Post, "DELETE": item.Delete}[method]
	}
	return nil
}

// TestScopesInContract compares the one list of scopes with the struct tag that
// documents it, which cannot refer to the list.
func TestScopesInContract(t *testing.T) {
	t.Parallel()
	h := newServer(config.API{}, slog.New(slog.DiscardHandler), nil, nil)
	h.handler()
	field := h.api.OpenAPI().Components.Schemas.Map()["NewToken"].Properties["scopes"]
	var documented []string
	for _, s := range field.Items.Enum {
		documented = append(documented, s.(string))
	}
	require.Equal(t, apiclient.Scopes(), documented)
	require.Equal(t, len(documented), *field.MaxItems)
}

func TestTokens(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	created := h.do("POST", "/tokens", map[string]any{"name": "shop", "scopes": []string{"recommend", "admin"}})
	require.Equal(t, http.StatusCreated, created.status, string(created.body))
	var token struct {
		Token string
		ID    int64
	}
	created.into(t, &token)
	require.Regexp(t, `^rf_[A-Za-z0-9_-]{55}$`, token.Token)
	require.NotContains(t, string(h.do("GET", "/tokens", nil).body), token.Token, "it is shown once")

	require.Equal(t, http.StatusOK, h.doAs(token.Token, "GET", "/tokens", nil).status)
	require.Equal(t, "missing_scope", h.doAs(token.Token, "POST", "/tokens", map[string]any{"name": "x", "scopes": []string{"operate"}}).problem(t).Code,
		"nobody hands out what they do not have")
	require.Equal(t, "name_taken", h.do("POST", "/tokens", map[string]any{"name": "shop", "scopes": []string{"read"}}).problem(t).Code)

	h.guard.now = func() time.Time { return time.Now().Add(2 * tokenFor) } // what is remembered is old
	require.Equal(t, http.StatusOK, h.do("DELETE", "/tokens/"+idText(token.ID), nil).status)
	require.Equal(t, "bad_token", h.doAs(token.Token, "GET", "/tokens", nil).problem(t).Code)
	require.Equal(t, "not_found", h.do("DELETE", "/tokens/999", nil).problem(t).Code)
	require.Equal(t, []string{
		"refused token.revoke 999 not_found", "done token.revoke " + idText(token.ID), "refused token.create shop name_taken",
		"refused token.create missing_scope", "done token.create shop",
	}, h.audited())

	for name, text := range map[string]string{
		"no token of ours": "hello", "another key": "rf_" + strings.Repeat("A", 55), "another secret": token.Token[:20] + strings.Repeat("A", 38),
		"too long": token.Token + "A", "a percent": "rf_%00" + strings.Repeat("A", 52),
	} {
		refused := h.doAs(text, "GET", "/tokens", nil)
		require.Equal(t, http.StatusUnauthorized, refused.status, name)
		require.Equal(t, "bad_token", refused.problem(t).Code, name)
	}
	text, key, digest := apiclient.MintToken()
	_, err := h.store.CreateToken(t.Context(), ledger.NewToken{Key: key, Digest: digest,
		Token: ledger.Token{Name: "old", Scopes: []string{"admin"}, ExpiresAt: time.Now().Add(-time.Second)}})
	require.NoError(t, err)
	require.Equal(t, "bad_token", h.doAs(text, "GET", "/tokens", nil).problem(t).Code)
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withSettings(func(c *config.API) { c.Rate, c.Burst = 0.01, 3 }))
	for left := 2; left >= 0; left-- {
		ok := h.do("GET", "/tokens", nil)
		require.Equal(t, http.StatusOK, ok.status)
		require.Equal(t, "3", ok.header.Get("RateLimit-Limit"))
		require.Equal(t, idText(int64(left)), ok.header.Get("RateLimit-Remaining"))
	}
	often := h.do("POST", "/tokens", map[string]any{"name": "x", "scopes": []string{"read"}})
	require.Equal(t, "too_many_requests", often.problem(t).Code)
	after, err := strconv.Atoi(often.header.Get("Retry-After"))
	require.NoError(t, err)
	require.InDelta(t, 90, after, 10, "a token comes every hundred seconds")
	require.Empty(t, h.audited(), "who comes too often does not fill the audit")
	require.Equal(t, http.StatusOK, h.doAs(h.tokenWith("other", apiclient.ScopeAdmin), "GET", "/tokens", nil).status, "others are not held up")
	passed := 0
	for status := http.StatusUnauthorized; status != http.StatusTooManyRequests; passed++ {
		require.Equal(t, http.StatusUnauthorized, status)
		require.Less(t, passed, 100*anonymousBurst, "requests without a token are not limited")
		status = h.doAs("", "GET", "/tokens", nil).status
	}
	require.Greater(t, passed, anonymousBurst, "the burst comes first; a slow machine is given more")
}

func TestWithoutAuthentication(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withSettings(func(c *config.API) { c.Auth = config.AuthNone }))
	require.Equal(t, http.StatusCreated, h.doAs("", "POST", "/tokens", map[string]any{"name": "x", "scopes": []string{"read"}}).status)
	require.Equal(t, []string{"done token.create x"}, h.audited())
	c := config.API{Database: config.Database{URL: "postgres://x", MaxConns: 2}, Temporal: config.Temporal{Address: "x:1"},
		Address: "0.0.0.0:1", MetricsAddress: "127.0.0.1:2", Auth: config.AuthNone, Rate: 1, Burst: 1}
	require.ErrorContains(t, c.Validate(), "RECFLOW_API_AUTH is none, but 0.0.0.0:1 can be reached from elsewhere")
	c.Address = "[::1]:1"
	require.NoError(t, c.Validate())
}
