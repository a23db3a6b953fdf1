package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/awsclient/kinesistest"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/importer/s3store"
	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/quarantine"
)

var update = flag.Bool("update", false, "write openapi.json anew")

// TestContract compares openapi.json with the code. After a change of the contract:
// go test ./api -run TestContract -update
func TestContract(t *testing.T) {
	t.Parallel()
	const file = "openapi.json"
	now := document()
	if *update {
		require.NoError(t, os.WriteFile(file, now, 0o600))
	}
	committed, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(committed), string(now), "the API and openapi.json differ: go test ./api -run TestContract -update")
}

// TestContract_required_times_are_known: a time that may be unknown is absent from an answer,
// so its field is not required. The required ones are always known.
func TestContract_required_times_are_known(t *testing.T) {
	t.Parallel()
	known := []string{
		"Audit.at", "LiveChange.at", // when it was written
		"Backfill.created_at", "Import.first_imported_at",
		"Attempt.started_at",                // only an attempt that was made is followed by another
		"Coverage.stored_to", "Coverage.to", // a training has an end
		"CreatedToken.created_at", "Token.created_at", "Version.created_at", "VersionReport.created_at", "ItemState.updated_at",
		"StageProgress.started_at", "Schedule.changed_at", "ScheduledRun.due_at", "ScheduledRun.started_at",
		"StreamStatus.since", "Redelivery.started_at", "CatalogApplication.started_at",
	}
	h := newServer(config.API{}, slog.New(slog.DiscardHandler), nil, nil)
	var required []string
	for name, schema := range h.api.OpenAPI().Components.Schemas.Map() {
		for property, s := range schema.Properties {
			if s.Format == "date-time" && slices.Contains(schema.Required, property) {
				required = append(required, name+"."+property)
			}
		}
	}
	require.ElementsMatch(t, known, required)
}

// TestContractFuzz sends requests that Schemathesis generates from the document to
// the API, with a token and without one: no response is a 5xx or violates the
// document.
func TestContractFuzz(t *testing.T) {
	t.Parallel()
	tools := toolchaintest.Tools(t)
	program := filepath.Join(filepath.Dir(tools.Python), "schemathesis")
	examples := "15"
	if *postgrestest.Soak {
		examples = "300"
	}
	for name, token := range map[string]bool{"with a token": true, "without one": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, apitest.WithTemporal)
			h.WithWorker(t)
			h.stream = kinesistest.New("events", 2).Client(t, "events")
			bucket := awstest.S3(t)
			h.quarantine, h.imports = &quarantine.Reader{Bucket: bucket}, s3store.New(bucket)
			h.build(2)
			server := httptest.NewServer(fromAnywhere(h.Handler))
			t.Cleanup(server.Close)
			args := []string{"run", server.URL + "/openapi.json", "--checks", "all", "--max-examples", examples, "--seed", "1", "--phases", "examples,coverage,fuzzing",
				"--generation-database", "none", "--no-color",
				// What the document allows may still be refused, by a rule between two fields or
				// by the state of things. An empty parameter counts as none, null as absent,
				// and a bad event is rejected by itself.
				// GET /recommendations/batch is allowed: it asks for the list of the user batch.
				"--exclude-checks", "positive_data_acceptance,negative_data_rejection,unsupported_method,allow_header_conformance",
				"--exclude-operation-id", "revoke-token", // it would revoke the token of this very test
			}
			if token {
				args = append(args, "--header", "Authorization: Bearer "+h.Token)
			}
			cmd := exec.CommandContext(t.Context(), program, args...)
			cmd.Dir = t.TempDir()
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
		})
	}
}

// fromAnywhere gives each request a different address, so that the rate limit of
// unauthenticated callers does not apply to the fuzzer.
func fromAnywhere(h http.Handler) http.Handler {
	var callers atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = fmt.Sprintf("caller-%d:1", callers.Add(1))
		h.ServeHTTP(w, r)
	})
}

func TestHead_is_GET_without_the_body(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	server := httptest.NewServer(h.api.Handler())
	t.Cleanup(server.Close)
	for path, status := range map[string]int{"/healthz": 200, "/tokens": 401, "/backfill/x/cancel": 405, "/nowhere": 404} {
		resp, err := http.Head(server.URL + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.NoError(t, err)
		require.Equal(t, status, resp.StatusCode, path)
		require.Empty(t, body)
		require.Positive(t, resp.ContentLength, path)
	}
}
