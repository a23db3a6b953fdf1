package main

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/postgres/ledger"
)

// publicRoutes lists the routes that need no token.
var publicRoutes = []string{"GET /docs", "GET /healthz", "GET /openapi.json", "GET /readyz", "GET /version"}

// TestEveryRouteDeniesByDefault walks the router: a route is listed as public, or
// refuses requests without a token and with a token without its scope.
func TestEveryRouteDeniesByDefault(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var operations int
	for _, r := range h.api.Router.Routes() {
		name := r.Method + " " + r.Path
		if slices.Contains(publicRoutes, name) {
			continue
		}
		operations++
		path := strings.NewReplacer(":version", "1", ":user", "u", ":id", "1", ":other", "2").Replace(r.Path)
		refused := h.DoAs("", r.Method, path, nil)
		require.Equal(t, http.StatusUnauthorized, refused.Status, name)
		require.Equal(t, "no_token", refused.Problem(t).Code, name)
		require.NotEmpty(t, refused.Header.Get("WWW-Authenticate"))

		wanted := h.operation(r.Method, r.Path)
		require.NotNil(t, wanted, name)
		require.Len(t, wanted.Security, 1, name)
		others := slices.DeleteFunc(apiclient.Scopes(), func(s string) bool { return s == wanted.Security[0][rest.TokenScheme][0] })
		refused = h.DoAs(h.TokenWith("without "+name, others...), r.Method, path, nil)
		require.Equal(t, http.StatusForbidden, refused.Status, name)
		require.Equal(t, "missing_scope", refused.Problem(t).Code, name)
	}
	require.Greater(t, operations, 3)
}

// operation returns the operation of a route.
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
	created := h.Do("POST", "/tokens", map[string]any{"name": "shop", "scopes": []string{"recommend", "admin"}})
	require.Equal(t, http.StatusCreated, created.Status, string(created.Body))
	var token struct {
		Token string
		ID    int64
	}
	created.Into(t, &token)
	require.Regexp(t, `^rf_[A-Za-z0-9_-]{55}$`, token.Token)
	require.NotContains(t, string(h.Do("GET", "/tokens", nil).Body), token.Token, "it is shown once")

	require.Equal(t, http.StatusOK, h.DoAs(token.Token, "GET", "/tokens", nil).Status)
	require.Equal(t, "missing_scope", h.DoAs(token.Token, "POST", "/tokens", map[string]any{"name": "x", "scopes": []string{"operate"}}).Problem(t).Code,
		"a token cannot grant a scope that it does not have")
	require.Equal(t, "name_taken", h.Do("POST", "/tokens", map[string]any{"name": "shop", "scopes": []string{"read"}}).Problem(t).Code)

	require.Equal(t, http.StatusOK, h.Do("DELETE", "/tokens/"+idText(token.ID), nil).Status)
	harnesstest.Eventually(t, "the token to be refused", func() bool { return h.DoAs(token.Token, "GET", "/tokens", nil).Status == http.StatusUnauthorized })
	require.Equal(t, "bad_token", h.DoAs(token.Token, "GET", "/tokens", nil).Problem(t).Code)
	require.Equal(t, "not_found", h.Do("DELETE", "/tokens/999", nil).Problem(t).Code)
	require.Equal(t, []string{
		"refused token.revoke 999 not_found", "done token.revoke " + idText(token.ID), "refused token.create shop name_taken",
		"refused token.create missing_scope", "done token.create shop",
	}, h.Audited())

	for name, text := range map[string]string{
		"no token of ours": "hello", "another key": "rf_" + strings.Repeat("A", 55), "another secret": token.Token[:20] + strings.Repeat("A", 38),
		"too long": token.Token + "A", "a percent": "rf_%00" + strings.Repeat("A", 52),
	} {
		refused := h.DoAs(text, "GET", "/tokens", nil)
		require.Equal(t, http.StatusUnauthorized, refused.Status, name)
		require.Equal(t, "bad_token", refused.Problem(t).Code, name)
	}
	text, key, digest := apiclient.MintToken()
	_, err := h.Store.CreateToken(t.Context(), ledger.NewToken{Key: key, Digest: digest,
		Token: ledger.Token{Name: "old", Scopes: []string{"admin"}, ExpiresAt: time.Now().Add(-time.Second)}})
	require.NoError(t, err)
	require.Equal(t, "bad_token", h.DoAs(text, "GET", "/tokens", nil).Problem(t).Code)
}

func TestWithoutAuthentication(t *testing.T) {
	t.Parallel()
	h := newHarness(t, apitest.WithSettings(func(c *config.API) { c.Auth = config.AuthNone }))
	require.Equal(t, http.StatusCreated, h.DoAs("", "POST", "/tokens", map[string]any{"name": "x", "scopes": []string{"read"}}).Status)
	require.Equal(t, []string{"done token.create x"}, h.Audited())
	c := config.API{Database: config.Database{URL: "postgres://x", MaxConns: 2}, Temporal: config.Temporal{Address: "x:1"},
		Search: config.Search{Mode: config.SearchAuto, Memory: 1}, Address: "0.0.0.0:1", MetricsAddress: "127.0.0.1:2", Auth: config.AuthNone, Rate: 1, Burst: 1}
	require.ErrorContains(t, c.Validate(), "RECFLOW_API_AUTH is none, but 0.0.0.0:1 is not a loopback address")
	c.Address = "[::1]:1"
	require.NoError(t, c.Validate())
}
