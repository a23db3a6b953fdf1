package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/temporaltest"
	"github.com/recflow/recflow/workflows"
)

// key sends an API key without TLS.
type key string

func (k key) GetHeaders(context.Context) (map[string]string, error) {
	return map[string]string{"Authorization": "Bearer " + string(k)}, nil
}

// Temporal Cloud neither lists nor adds search attributes for an API key. The worker
// logs the command of Temporal Cloud and starts.
func TestSetup_goes_on_without_search_attributes_that_Temporal_Cloud_does_not_list(t *testing.T) {
	t.Parallel()
	server := temporaltest.Shared(t)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	front := httptest.NewUnstartedServer(temporaltest.Cloud("a-key", &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: server.Address}) },
		Transport: &http.Transport{Protocols: protocols},
	}))
	front.Config.Protocols = protocols
	front.Start()
	t.Cleanup(front.Close)
	settings := config.Temporal{Address: "recflow.abc12.tmprl.cloud:7233", Namespace: server.Namespace(t), TaskQueue: "recflow"}
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: front.Listener.Addr().String(), Namespace: settings.Namespace, HeadersProvider: key("a-key"), Logger: temporaltest.Quiet,
	})
	require.NoError(t, err)
	defer c.Close()

	var log bytes.Buffer
	require.NoError(t, ensureSearchAttributes(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), c, settings))
	require.Contains(t, log.String(), "tcld namespace search-attributes add --namespace "+settings.Namespace+" --search-attribute ")
	require.NoError(t, workflows.EnsureSweep(t.Context(), c, settings.TaskQueue, time.Hour), "the first request that the worker sends after it")
}

func TestSetup_names_the_command_that_registers_search_attributes(t *testing.T) {
	t.Parallel()
	keys := workflows.SearchAttributes()[:1]
	name := keys[0].GetName()
	for address, command := range map[string]string{
		"temporal.example.com:7233":             "temporal operator search-attribute create --namespace ns --name " + name,
		"ns.abc12.tmprl.cloud:7233":             "tcld namespace search-attributes add --namespace ns --search-attribute " + name + "=",
		"us-east-1.aws.api.temporal.io:7233":    "tcld namespace search-attributes add --namespace ns --search-attribute " + name + "=",
		"tmprl.cloud.attacker.example.com:7233": "temporal operator search-attribute create",
	} {
		require.Contains(t, registration(config.Temporal{Address: address, Namespace: "ns"}, keys), command, address)
	}
}
