package imports_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/cli/clitest"
)

func TestImport_applies_a_complete_catalog(t *testing.T) {
	const running = `{"workflow_run_id":"1","state":"running","started_at":"2026-01-01T00:00:00Z"}`
	for _, c := range []struct {
		name string
		last string // application that the API reports; empty: no API is configured
		want string // on stderr
	}{
		{"at once", `{"application":{"workflow_run_id":"1","state":"succeeded","items":2,"complete":true,"unavailable":12,"available":1,"changed":3}}`,
			"the catalog applies now: it makes 12 items of the versions unavailable and 1 available; 3 changed"},
		{"with the next version, if no API is configured", "",
			"items that the catalog lacks become unavailable with the next version, because no API is configured here; `recflow items apply-catalog` makes them unavailable at once"},
		{"with the next version, if it fails", `{"application":{"workflow_run_id":"1","state":"failed","error":"see the workflow"}}`,
			"warning: items that the catalog lacks become unavailable with the next version, because the catalog could not be applied: see the workflow; `recflow items apply-catalog`"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for k, v := range awstest.Env(t) {
				t.Setenv(k, v)
			}
			t.Setenv("RECFLOW_HOME", t.TempDir())
			t.Setenv("RECFLOW_BUCKET", awstest.S3(t).Bucket())
			t.Setenv("RECFLOW_API_URL", "")
			var calls []string
			if c.last != "" {
				api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					calls = append(calls, r.Method+" "+r.URL.Path)
					w.Header().Set("Content-Type", "application/json")
					if r.Method == http.MethodPost {
						w.WriteHeader(http.StatusAccepted)
						_, _ = w.Write([]byte(running))
						return
					}
					_, _ = w.Write([]byte(c.last))
				}))
				defer api.Close()
				t.Setenv("RECFLOW_API_URL", api.URL)
			}
			catalog := "item_id,title\na,A\nb,B\n"
			code, _, stderr := clitest.Import(t, catalog, "-", "--replace", "--dry-run")
			require.Zero(t, code, stderr)
			code, _, stderr = clitest.Import(t, "item_id,title\na,A\n", "-")
			require.Zero(t, code, stderr)
			require.Empty(t, calls, "neither was a complete catalog that was written")

			code, _, stderr = clitest.Import(t, catalog, "-", "--replace")
			require.Zero(t, code, stderr)
			require.Contains(t, stderr, c.want)
			if c.last != "" {
				require.Equal(t, []string{"POST /catalog/apply", "GET /catalog"}, calls)
			}
		})
	}
}
