// Package clitest runs command lines in a test, against a database or an API of its
// own.
package clitest

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/cli"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

// UpdateGolden is the flag that rewrites the golden files.
var UpdateGolden = flag.Bool("update-golden", false, "write testdata/*.golden from the commands' output")

// Result is the result of a command line.
type Result struct {
	Code     int
	Out, Err string
}

// Run runs a command line in this process.
func Run(ctx context.Context, stdin string, args ...string) Result {
	var out, errs bytes.Buffer
	code := cli.Run(ctx, args, app.Streams{In: strings.NewReader(stdin), Out: &out, Err: &errs})
	return Result{code, out.String(), errs.String()}
}

// NewSystem creates a database and sets the variables by which commands find it.
// Nothing else runs.
func NewSystem(t *testing.T) *postgrestest.Store {
	t.Helper()
	url := postgrestest.URL(t)
	t.Setenv("RECFLOW_HOME", t.TempDir())
	t.Setenv("RECFLOW_DATABASE_URL", url)
	t.Setenv("RECFLOW_TEMPORAL_ADDRESS", "")
	return postgrestest.Open(t, url)
}

// WithVersions adds a live version and one rejected by a gate.
func WithVersions(t *testing.T, s *postgrestest.Store) {
	t.Helper()
	metrics := func(m *recsys.Manifest) {
		m.Metrics = recsys.Metrics{
			Users:      240,
			Candidate:  map[string]recsys.Metric{"ndcg@100": {Value: 0.3541, Low: 0.33, High: 0.377}, "recall@20": {Value: 0.331, Low: 0.3, High: 0.36}},
			Popularity: map[string]recsys.Metric{"ndcg@100": {Value: 0.2, Low: 0.19, High: 0.21}, "recall@20": {Value: 0.175, Low: 0.16, High: 0.19}},
		}
		m.Similar = &recsys.Similar{Beta: 0.5, Users: 240, Queries: 400, Grid: []recsys.SimilarResult{
			{Beta: 0, Recall: 0.0825, StratifiedRecall: 0.0358, CategoryAgreement: new(0.345)},
			{Beta: 0.5, Recall: 0.0722, StratifiedRecall: 0.0372},
		}}
		m.Checks = []recsys.Check{
			{Rule: "null_ids", Severity: "error", Passed: true, Message: "every event has its ids"},
			{Rule: "unknown_items", Severity: "warning", Count: 12, Message: "12 events name an item that is not in raw/items"},
		}
	}
	first := postgrestest.Build(t, s, postgrestest.Fixture{RunID: "run-a", ChangeManifest: metrics, Loading: true})
	require.NoError(t, s.MarkReady(t.Context(), first.ID, []recsys.GateResult{
		{Gate: recsys.GateRows, Passed: true, Value: 400, Threshold: 400, Reason: "400 items as the manifest says"},
		{Gate: recsys.GateQuality, Value: 0.19, Threshold: 0.2, Reason: "no better than popularity", Accepted: "a first look"},
	}))
	_, err := s.Promote(t.Context(), versions.Promotion{Version: first.ID, Actor: "test", Reason: "first"})
	require.NoError(t, err)
	second := postgrestest.Build(t, s, postgrestest.Fixture{RunID: "run-b", Loading: true})
	require.NoError(t, s.MarkRefused(t.Context(), second.ID, []recsys.GateResult{
		{Gate: recsys.GateRecall, Value: 0.91, Threshold: 0.98, Reason: "mean recall@100 is 0.91; raise m"},
	}))
}

var instant = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)

// Golden compares a command's output with testdata/NAME.golden, after replacing
// values that change from run to run.
func Golden(t *testing.T, name, got string) {
	t.Helper()
	got = instant.ReplaceAllStringFunc(got, func(at string) string {
		if strings.HasPrefix(at, "2025-") || strings.HasPrefix(at, "0001-") { // of the fixture
			return at
		}
		return "<a recent instant>  "[:len("2025-01-01T00:00:00Z")]
	})
	lines := strings.Split(got, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	got = strings.Join(lines, "\n")
	file := filepath.Join("testdata", name+".golden")
	if *UpdateGolden {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "%s; run with -update-golden if the change is intended", file)
}
