package temporalconfig_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/config/temporalconfig"
	"github.com/recflow/recflow/internal/temporaltest"
)

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         string
}

// issued is a certificate and its key, as PEM.
type issued struct{ certificate, key string }

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return authority{certificate, key, asPEM("CERTIFICATE", der)}
}

func (a authority) issue(t *testing.T, usage x509.ExtKeyUsage) issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, a.certificate, &key.PublicKey, a.key)
	require.NoError(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	return issued{asPEM("CERTIFICATE", der), asPEM("EC PRIVATE KEY", private)}
}

func asPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// front is a TLS proxy in front of a real Temporal server, as Temporal Cloud has.
type front struct {
	address, namespace string
	authority          authority
	asked              atomic.Pointer[http.Header] // of the last request that got through
}

func newFront(t *testing.T, clients bool, rules ...func(http.Handler) http.Handler) *front {
	t.Helper()
	server := temporaltest.Shared(t)
	f := &front{namespace: server.Namespace(t), authority: newAuthority(t)}
	var behind http.Handler = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			f.asked.Store(&r.In.Header)
			r.SetURL(&url.URL{Scheme: "http", Host: server.Address})
		},
		Transport: &http.Transport{Protocols: only((*http.Protocols).SetUnencryptedHTTP2)},
	}
	for _, rule := range rules {
		behind = rule(behind)
	}
	own := f.authority.issue(t, x509.ExtKeyUsageServerAuth)
	pair, err := tls.X509KeyPair([]byte(own.certificate), []byte(own.key))
	require.NoError(t, err)
	s := httptest.NewUnstartedServer(behind)
	s.Config.Protocols = only((*http.Protocols).SetHTTP2)
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: x509.NewCertPool()}
	if clients {
		s.TLS.ClientCAs.AddCert(f.authority.certificate)
		s.TLS.ClientAuth = tls.RequireAndVerifyClientCert
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	f.address = s.Listener.Addr().String()
	return f
}

func only(set func(*http.Protocols, bool)) *http.Protocols {
	p := new(http.Protocols)
	set(p, true)
	return p
}

// dial connects as the binaries do, with these variables.
func (f *front) dial(t *testing.T, vars map[string]string) error {
	t.Helper()
	for name, value := range vars {
		t.Setenv(name, value)
	}
	o, err := temporalconfig.Options(config.Temporal{Address: f.address, Namespace: f.namespace}, temporaltest.Quiet)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	o.ConnectionOptions.GetSystemInfoTimeout = 20 * time.Second
	c, err := client.DialContext(ctx, o)
	if err != nil {
		return err
	}
	defer c.Close()
	return temporalconfig.Check(ctx, c, f.namespace)
}

func TestAClientCertificateOpensTheDoor(t *testing.T) {
	f := newFront(t, true)
	ours := f.authority.issue(t, x509.ExtKeyUsageClientAuth)
	require.NoError(t, f.dial(t, map[string]string{
		"TEMPORAL_TLS_CLIENT_CERT_DATA": ours.certificate, "TEMPORAL_TLS_CLIENT_KEY_DATA": ours.key, "TEMPORAL_TLS_SERVER_CA_CERT_DATA": f.authority.pem,
	}))
	require.Empty(t, f.asked.Load().Get("Authorization"))
}

func TestAnUntrustedCertificateDoesNot(t *testing.T) {
	f := newFront(t, true)
	theirs := newAuthority(t).issue(t, x509.ExtKeyUsageClientAuth)
	require.Error(t, f.dial(t, map[string]string{
		"TEMPORAL_TLS_CLIENT_CERT_DATA": theirs.certificate, "TEMPORAL_TLS_CLIENT_KEY_DATA": theirs.key, "TEMPORAL_TLS_SERVER_CA_CERT_DATA": f.authority.pem,
	}))
	require.Nil(t, f.asked.Load())
}

func TestAnAPIKeyIsSentWithEveryCallAndOverTLS(t *testing.T) {
	f := newFront(t, false)
	require.NoError(t, f.dial(t, map[string]string{
		"TEMPORAL_API_KEY": "marker-key", "TEMPORAL_TLS_SERVER_CA_CERT_DATA": f.authority.pem,
		"TEMPORAL_TLS_CLIENT_CERT_DATA": "", "TEMPORAL_TLS_CLIENT_KEY_DATA": "", // an empty value counts as not set
		"TEMPORAL_ADDRESS": "127.0.0.1:1", "TEMPORAL_NAMESPACE": "another", // this process's variables take precedence
	}))
	require.Equal(t, "Bearer marker-key", f.asked.Load().Get("Authorization"))
}

// Temporal Cloud refuses a request that does not name a namespace. Files with a key
// usually end with a newline, which no header may have.
func TestTemporalCloudAcceptsAnAPIKey(t *testing.T) {
	f := newFront(t, false, func(server http.Handler) http.Handler { return temporaltest.Cloud("marker-key", server) })
	require.NoError(t, f.dial(t, map[string]string{
		"TEMPORAL_API_KEY": "marker-key\n", "TEMPORAL_TLS_SERVER_CA_CERT_DATA": f.authority.pem + "\n",
	}))
	f.namespace = "another"
	require.ErrorContains(t, f.dial(t, nil), "the namespace another does not exist")
	t.Setenv("TEMPORAL_API_KEY", "old-key")
	require.ErrorContains(t, f.dial(t, nil), "Request unauthorized")
}

func TestAnAPIKeyIsNotSentToAnUnverifiedServer(t *testing.T) {
	f := newFront(t, false)
	require.Error(t, f.dial(t, map[string]string{"TEMPORAL_API_KEY": "marker-key"}))
	require.Nil(t, f.asked.Load())
}

func TestOptionsNameTheVariableThatIsWrong(t *testing.T) {
	a := newAuthority(t)
	one, other := a.issue(t, x509.ExtKeyUsageClientAuth), a.issue(t, x509.ExtKeyUsageClientAuth)
	for name, c := range map[string]struct {
		vars map[string]string
		says string
	}{
		"a certificate without its key": {map[string]string{"TEMPORAL_TLS_CLIENT_CERT_DATA": one.certificate}, "TEMPORAL_TLS_CLIENT_KEY_DATA is not"},
		"a key without its certificate": {map[string]string{"TEMPORAL_TLS_CLIENT_KEY_PATH": "marker-path"}, "TEMPORAL_TLS_CLIENT_CERT_PATH is not"},
		"a key that does not match": {map[string]string{
			"TEMPORAL_TLS_CLIENT_CERT_DATA": one.certificate, "TEMPORAL_TLS_CLIENT_KEY_DATA": other.key}, "TEMPORAL_TLS_CLIENT_KEY_DATA"},
		"an invalid authority":   {map[string]string{"TEMPORAL_TLS_SERVER_CA_CERT_DATA": "marker"}, "TEMPORAL_TLS_SERVER_CA_CERT_DATA"},
		"neither true nor false": {map[string]string{"TEMPORAL_TLS": "yes"}, `TEMPORAL_TLS is "yes"`},
		"a key in plain text":    {map[string]string{"TEMPORAL_TLS": "false", "TEMPORAL_API_KEY": "marker"}, "TEMPORAL_TLS is false"},
		"a key to an unverified server": {map[string]string{
			"TEMPORAL_TLS_DISABLE_HOST_VERIFICATION": "true", "TEMPORAL_API_KEY": "marker"}, "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION"},
	} {
		t.Run(name, func(t *testing.T) {
			for name, value := range c.vars {
				t.Setenv(name, value)
			}
			_, err := temporalconfig.Options(config.Temporal{Address: "temporal.example.com:7233", Namespace: "n"}, nil)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "marker")
			require.NotContains(t, err.Error(), "PRIVATE KEY")
		})
	}
}
