package health

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAsk(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, Path, r.URL.Path)
		w.WriteHeader(status)
	}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	require.NoError(t, Ask(t.Context(), address))

	_, port, _ := strings.Cut(address, ":")
	require.NoError(t, Ask(t.Context(), "0.0.0.0:"+port), "a wildcard listener is queried on loopback")
	require.NoError(t, Ask(t.Context(), ":"+port))

	status = http.StatusServiceUnavailable
	require.ErrorContains(t, Ask(t.Context(), address), "503")
	server.Close()
	require.ErrorContains(t, Ask(t.Context(), address), "does not respond")
	require.ErrorContains(t, Ask(t.Context(), "nonsense"), "host:port")
}

func TestWhatIsAskedOfAnAddressForAll(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"0.0.0.0:1": "127.0.0.1:1", ":1": "127.0.0.1:1", "[::]:1": "[::1]:1", "127.0.0.2:1": "127.0.0.2:1", "worker:1": "worker:1",
	} {
		got, err := reachable(address)
		require.NoError(t, err)
		assert.Equal(t, want, got, address)
	}
}
