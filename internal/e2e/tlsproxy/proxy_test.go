package tlsproxy_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/e2e/tlsproxy"
)

func TestProxy_serves_its_host_names(t *testing.T) {
	t.Parallel()
	authority, err := tlsproxy.NewAuthority()
	require.NoError(t, err)
	says := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text+" "+r.Host+" "+r.Proto) })
	}
	proxy := tlsproxy.New(authority, map[string]http.Handler{"one.example.com": says("one"), "two.example.com": says("two")})
	t.Cleanup(proxy.Close)
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	elsewhere := httptest.NewTLSServer(says("elsewhere"))
	t.Cleanup(elsewhere.Close)

	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(authority.PEM))
	pool.AddCert(elsewhere.Certificate())
	for _, http2 := range []bool{true, false} {
		proxied := &http.Transport{
			Proxy:           func(*http.Request) (*url.URL, error) { return url.Parse(front.URL) },
			TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: http2,
		}
		t.Cleanup(proxied.CloseIdleConnections)
		client := &http.Client{Transport: proxied}
		proto := map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"}[http2]
		for address, want := range map[string]string{
			"https://one.example.com/x":      "one one.example.com " + proto,
			"https://two.example.com:7233/x": "two two.example.com:7233 " + proto,
			elsewhere.URL:                    "elsewhere " + elsewhere.Listener.Addr().String() + " HTTP/1.1",
		} {
			resp, err := client.Get(address)
			require.NoError(t, err, address)
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			require.NoError(t, err)
			require.Equal(t, want, string(body))
		}
		_, err := client.Get("https://three.invalid/")
		require.Error(t, err)
	}
}
