package localstack_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/awsdoctor"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/harnesstest"
)

// outputs are Terraform's outputs of a deployment of which only the API exists.
func outputs(t *testing.T, api string) string {
	t.Helper()
	values := map[string]any{}
	for name, value := range map[string]any{
		"region": "us-east-1", "bucket": "nothing", "stream": "nothing", "stream_arn": "arn:aws:kinesis:us-east-1:" + awstest.Account + ":stream/nothing",
		"delivery_streams": map[string]string{"events": "nothing"}, "function": "nothing", "mapping_uuid": "nothing", "glue_job": "nothing", "cluster": "nothing",
		"services": map[string]string{"api": "nothing"}, "api_url": api, "topic_arn": "arn:aws:sns:us-east-1:" + awstest.Account + ":nothing",
		"alarm_names": map[string]string{"iterator-age": "nothing"}, "rule_names": map[string]string{"glue-failures": "nothing"}, "roles": map[string]string{"api": awstest.RoleARN("nothing")},
	} {
		values[name] = map[string]any{"value": value}
	}
	data, err := json.Marshal(values)
	require.NoError(t, err)
	return string(data)
}

func TestDoctorAWS(t *testing.T) {
	const token = "rf_secret"
	var sent string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header.Get("Authorization")
		if r.URL.Path == "/readyz" {
			_, _ = w.Write([]byte(`{"status":"ready","schema_version":7,"pgvector_version":"0.8.5"}`))
			return
		}
		_, _ = w.Write([]byte(`{"version":{"version":42,"coverage":{"to":"2025-01-09T00:00:00Z"}}}`))
	}))
	defer api.Close()
	for name, value := range awstest.Env(t) {
		t.Setenv(name, value)
	}
	t.Setenv("AWS_ENDPOINT_URL", os.Getenv("AWS_ENDPOINT_URL_S3"))
	t.Setenv("RECFLOW_API_TOKEN", token)
	text := outputs(t, api.URL)

	t.Run("it prints a line for each check, and the fix below", func(t *testing.T) {
		r := clitest.Run(t.Context(), "\ufeff"+text, "doctor", "--aws", "-") // as Windows programs write text
		assert.Equal(t, 1, r.Code)
		assert.Contains(t, r.Out, "✓ region                      us-east-1\n")
		assert.Contains(t, r.Out, "✗ bucket                      it does not exist\n                              → run `terraform plan`")
		assert.Contains(t, r.Out, "✓ database                    schema version 7, pgvector 0.8.5\n")
		assert.Contains(t, r.Out, "✓ live version                version 42, trained on events up to 2025-01-09T00:00:00Z\n")
		assert.Contains(t, r.Err, "checks failed")
		assert.Equal(t, "Bearer "+token, sent)
		assert.NotContains(t, r.Out+r.Err, token)
	})
	t.Run("it prints JSON for programs", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "outputs.json")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		r := clitest.Run(t.Context(), "", "doctor", "--aws", file, "-o", "json")
		assert.Equal(t, 1, r.Code)
		var checks []awsdoctor.Check
		require.NoError(t, json.Unmarshal([]byte(r.Out), &checks))
		assert.Equal(t, awsdoctor.OK, checks[0].State, checks[0].Detail)
	})
	t.Run("it runs terraform", func(t *testing.T) {
		bin := t.TempDir()
		script := "#!/bin/sh\n[ \"$1\" = -chdir=infra ] || { echo \"no $1\" >&2; exit 1; }\n[ \"$2 $3\" = 'output -json' ] && cat <<'E'\n" + text + "\nE\n"
		harnesstest.WriteProgram(t, filepath.Join(bin, "terraform"), script)
		t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
		r := clitest.Run(t.Context(), "", "doctor", "--terraform", "infra")
		assert.Contains(t, r.Out, "✓ database")
		r = clitest.Run(t.Context(), "", "doctor", "--terraform", "elsewhere")
		assert.Contains(t, r.Err, "terraform output in elsewhere: exit status 1: no -chdir=elsewhere")
	})
	t.Run("it names the missing outputs before any check", func(t *testing.T) {
		r := clitest.Run(t.Context(), strings.Replace(text, `"glue_job"`, `"job"`, 1), "doctor", "--aws", "-")
		assert.Equal(t, 1, r.Code)
		assert.Contains(t, r.Err, "these outputs are missing: glue_job;")
		assert.Empty(t, r.Out)
	})
}
