package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres/ledger"
)

// TestHostileRequests sends malicious requests. Each is refused with its code, and
// refused changes are in the audit.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	expired, key, digest := apiclient.MintToken()
	_, err := h.Store.CreateToken(t.Context(), ledger.NewToken{Key: key, Digest: digest,
		Token: ledger.Token{Name: "expired", Scopes: []string{"admin"}, ExpiresAt: time.Now().Add(-time.Hour)}})
	require.NoError(t, err)
	narrow := h.TokenWith("narrow", apiclient.ScopeRead)
	const token = `{"name":"x","scopes":["read"]}`
	for _, c := range []struct {
		name, token, method, path, body, header string
		status                                  int
		code                                    string
	}{
		{"an expired token", expired, "POST", "/tokens", token, "", 401, "bad_token"},
		{"a missing scope", narrow, "POST", "/tokens", token, "", 403, "missing_scope"},
		{"no token", "", "POST", "/tokens", token, "", 401, "no_token"},
		{"another scheme", "", "POST", "/tokens", token, "Authorization: Basic cm9vdDpyb290", 401, "no_token"},
		{"a body of another type", h.Token, "POST", "/tokens", token, "Content-Type: text/xml", 415, "unsupported_media_type"},
		{"a body that is no JSON", h.Token, "POST", "/tokens", "{", "", 400, "bad_request"},
		{"a field too many", h.Token, "POST", "/tokens", `{"name":"x","scopes":["read"],"admin":true}`, "", 422, "invalid_request"},
		{"a scope that is none", h.Token, "POST", "/tokens", `{"name":"x","scopes":["root"]}`, "", 422, "invalid_request"},
		{"a name with a quote", h.Token, "POST", "/tokens", `{"name":"x'; DROP TABLE recflow.audit; --","scopes":["read"]}`, "", 422, "invalid_request"},
		{"a number as a name", h.Token, "POST", "/tokens", `{"name":7,"scopes":["read"]}`, "", 422, "invalid_request"},
		{"deep nesting", h.Token, "POST", "/tokens", strings.Repeat(`{"a":`, 100_000) + strings.Repeat("}", 100_000), "", 400, "bad_request"},
		{"an id that is no number", h.Token, "DELETE", "/tokens/1%20OR%201=1", "", "", 422, "invalid_request"},
		{"an id beyond all numbers", h.Token, "DELETE", "/tokens/99999999999999999999", "", "", 422, "invalid_request"},
		{"a negative id", h.Token, "DELETE", "/tokens/-1", "", "", 422, "invalid_request"},
		{"traversal", h.Token, "GET", "/events/..%2F..%2Fetc%2Fpasswd", "", "", 200, ""}, // a valid id, but unknown
		{"traversal without escapes", h.Token, "GET", "/docs/../../etc/passwd", "", "", 404, "no_such_route"},
		{"a zero in an id", h.Token, "GET", "/events/a%00b", "", "", 400, "invalid_text"},
		{"no UTF-8 in an id", h.Token, "GET", "/events/%ff%fe", "", "", 400, "invalid_text"},
		{"a zero in a query", h.Token, "GET", "/audit?actor=%00", "", "", 400, "invalid_text"},
		{"a query that is unknown", h.Token, "GET", "/audit?order=asc", "", "", 422, "invalid_request"},
		{"a limit beyond the limit", h.Token, "GET", "/audit?limit=1000000", "", "", 422, "invalid_request"},
		{"a cursor of one's own", h.Token, "GET", "/audit?cursor=MTsgRFJPUA", "", "", 422, "bad_cursor"},
		{"an address that is none", h.Token, "GET", "/.git/config", "", "", 404, "no_such_route"},
		{"another method", h.Token, "PATCH", "/tokens", "", "", 405, "method_not_allowed"},
		{"TRACE", h.Token, "TRACE", "/tokens", "", "", 405, "method_not_allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var headers []string
			if c.header != "" {
				headers = append(headers, c.header)
			}
			var body any
			if c.body != "" {
				body = c.body
			}
			before := len(h.Audited())
			a := h.DoAs(c.token, c.method, c.path, body, headers...)
			require.Equal(t, c.status, a.Status, string(a.Body))
			changes := 0
			if strings.HasPrefix(c.path, "/tokens") && (c.method == "POST" || c.method == "DELETE") {
				changes = 1
			}
			require.Len(t, h.Audited(), before+changes)
			if c.status == 200 {
				return
			}
			p := a.Problem(t)
			require.Equal(t, c.code, p.Code)
			if changes > 0 {
				require.True(t, strings.HasSuffix(h.Audited()[0], " "+c.code), h.Audited()[0])
			}
			for _, sent := range []string{"DROP TABLE", "etc/passwd", "cm9vd", expired} {
				require.NotContains(t, string(a.Body), sent, "what was sent is not repeated")
			}
		})
	}
}

func TestRequest_limits(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	server := httpServer(h.api.Handler(), h.log)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	address := "http://" + l.Addr().String()

	t.Run("a hundred megabytes", func(t *testing.T) {
		read := &counted{r: io.LimitReader(zeros{}, 100<<20)}
		req, err := http.NewRequestWithContext(t.Context(), "POST", address+"/tokens", read)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+h.Token)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err == nil { // or the connection was closed before the answer was read
			require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
			resp.Body.Close()
		}
		require.Less(t, read.n.Load(), int64(20<<20), "it is not read to its end")
	})
	t.Run("too many headers", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", address+"/healthz", nil)
		require.NoError(t, err)
		for n := range 1000 {
			req.Header.Set(fmt.Sprintf("X-%d", n), strings.Repeat("x", 100))
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode)
	})
	t.Run("a body sent one byte at a time", func(t *testing.T) {
		conn, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		fmt.Fprintf(conn, "POST /tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", h.Token)
		began := time.Now()
		require.NoError(t, conn.SetReadDeadline(began.Add(30*time.Second)))
		answer, _ := io.ReadAll(conn)
		require.Less(t, time.Since(began), 12*time.Second, "the timeout ends it")
		require.Contains(t, string(answer), " 408 ")
		require.Contains(t, string(answer), `"code":"too_slow"`)
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

type counted struct {
	r io.Reader
	n atomic.Int64 // the transport may read on after the answer
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
