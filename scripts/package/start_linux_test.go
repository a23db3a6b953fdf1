package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/local/localport"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/temporaltest"
)

// TestAnImageWithoutSettingsSaysWhatIsMissing starts the services as on AWS,
// without their settings.
func TestAnImageWithoutSettingsSaysWhatIsMissing(t *testing.T) {
	for _, name := range []string{"worker", "api"} {
		t.Run(name, func(t *testing.T) {
			j := newJail(t, shared(t).get(t, name).Path)
			out, errs, code := j.run(nil)
			assert.Equal(t, 1, code)
			assert.Empty(t, out)
			var line struct{ Level, Error string }
			require.NoError(t, json.Unmarshal([]byte(errs), &line), "one line of JSON: %s", errs)
			assert.Equal(t, "ERROR", line.Level)
			assert.Contains(t, line.Error, "RECFLOW_DATABASE_URL is not set")

			_, errs, code = j.run(nil, "health")
			assert.Equal(t, 1, code)
			assert.Contains(t, errs, "not healthy")
			_, errs, code = j.run(nil, "nonsense")
			assert.Equal(t, 1, code)
			assert.Contains(t, errs, "invalid arguments")
			j.untouched()
		})
	}
}

func TestTheAdminImageIsTheCommand(t *testing.T) {
	a := shared(t).get(t, "admin")
	j := newJail(t, a.Path)
	out, errs, code := j.run(nil, "--version")
	assert.Zero(t, code, errs)
	assert.Equal(t, "recflow-admin version "+a.BuildID+"\n", out)
	out, errs, code = j.run(nil, "--help")
	assert.Zero(t, code, errs)
	assert.Contains(t, out, "recflow-admin runs in the admin image")

	out, errs, code = j.run(map[string]string{"RECFLOW_DATABASE_URL": postgrestest.EmptyURL(t)}, "database", "migrate")
	assert.Zero(t, code, errs)
	assert.Contains(t, out, "recflow_loader")
	j.untouched()
}

func TestTheAPIImageServes(t *testing.T) {
	a := shared(t).get(t, "api")
	j := newJail(t, a.Path)
	// The health check, a separate process, must know the port beforehand.
	port, err := localport.Reserve()
	require.NoError(t, err)
	env := map[string]string{
		"RECFLOW_DATABASE_URL": postgrestest.URL(t), "RECFLOW_API_ADDRESS": fmt.Sprintf("0.0.0.0:%d", port),
		"RECFLOW_API_METRICS_ADDRESS": "127.0.0.1:0", "RECFLOW_TEMPORAL_ADDRESS": "127.0.0.1:1",
	}
	_, _, code := j.run(env, "health")
	assert.Equal(t, 1, code, "no process is listening yet")
	p := j.start(env)
	p.logs("api ready")
	_, errs, code := j.run(env, "health")
	assert.Zero(t, code, errs)

	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/version", port))
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Contains(t, string(body), a.BuildID)

	assert.Zero(t, p.stop(), "%s", p.log.String())
	_, _, code = j.run(env, "health")
	assert.Equal(t, 1, code)
	j.untouched()
}

func TestTheWorkerImageServes(t *testing.T) {
	a := shared(t).get(t, "worker")
	j := newJail(t, a.Path)
	server := temporaltest.Shared(t)
	port, err := localport.Reserve()
	require.NoError(t, err)
	env := map[string]string{
		"RECFLOW_DATABASE_URL": postgrestest.URL(t), "RECFLOW_BUCKET": "bucket", "AWS_REGION": "eu-central-1",
		"RECFLOW_TEMPORAL_ADDRESS": server.Address, "RECFLOW_TEMPORAL_NAMESPACE": server.Namespace(t),
		"RECFLOW_WORKER_HEALTH_ADDRESS": fmt.Sprintf("127.0.0.1:%d", port), "RECFLOW_DRAIN_TIMEOUT": "1s",
	}
	p := j.start(env)
	p.logs("worker ready")
	assert.Contains(t, p.log.String(), a.BuildID)
	_, errs, code := j.run(env, "health")
	assert.Zero(t, code, errs)
	assert.Zero(t, p.stop(), "%s", p.log.String())
	_, _, code = j.run(env, "health")
	assert.Equal(t, 1, code)
	j.untouched()
}
