package backfills_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/backfills"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

// withBackfills creates two backfills: an as_of with a failed window, and one
// that has not started.
func withBackfills(t *testing.T, s *postgrestest.Store) {
	t.Helper()
	day := func(n int) time.Time { return time.Date(2025, 1, n, 0, 0, 0, 0, time.UTC) }
	write := func(id string, from, to int) {
		cut, err := backfill.Cut(backfill.AsOf, day(from), day(to), 24*time.Hour)
		require.NoError(t, err)
		_, _, err = s.CreateBackfill(t.Context(), ledger.NewBackfill{
			Backfill: backfill.Backfill{
				ID: id, Kind: backfill.AsOf, From: day(from), To: day(to), StepSeconds: 86400, MaxParallel: 1, Rerun: backfill.RerunMissing,
				Request: json.RawMessage(`{}`), Actor: "test", WorkflowID: "backfill-" + id, Windows: cut,
			},
			Parameters: []byte("p"), RequestDigest: []byte(id),
		})
		require.NoError(t, err)
	}
	write("curve", 1, 4)
	_, err := s.StartBackfill(t.Context(), "curve", 1, "run")
	require.NoError(t, err)
	for i, ndcg := range []float64{0.21, 0, 0.24} {
		at := backfill.Window{Index: i, Attempt: 1, WorkflowID: "w", State: backfill.Failed, Error: "DataInvalid: too few events"}
		_, err := s.StartWindow(t.Context(), "curve", at)
		require.NoError(t, err)
		if ndcg > 0 {
			at.State, at.Error, at.Version, at.Rows = backfill.Succeeded, "", int64(7+i), int64(1000*(i+1))
			at.Metrics = &recsys.Metrics{Users: 240,
				Candidate:  map[string]recsys.Metric{"ndcg@100": {Value: ndcg}, "recall@20": {Value: ndcg / 2}},
				Popularity: map[string]recsys.Metric{"ndcg@100": {Value: 0.14}}}
		}
		require.NoError(t, s.EndWindow(t.Context(), "curve", at))
	}
	_, err = s.EndBackfill(t.Context(), "curve", 1, "")
	require.NoError(t, err)
	write("waiting", 10, 12)
}

func TestBackfillCommand(t *testing.T) {
	s := clitest.NewSystem(t)
	withBackfills(t, s)
	clitest.StartAPI(t, clitest.NoTemporal)

	t.Run("it lists backfills", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "backfill", "list")
		require.Equal(t, 0, r.Code, r.Err)
		clitest.Golden(t, "backfill_list", r.Out)
	})
	t.Run("it prints the metrics of one that has ended, and the next command", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "backfill", "watch", "curve")
		require.Equal(t, 1, r.Code, r.Err)
		clitest.Golden(t, "backfill_curve", r.Out)
		assert.Contains(t, r.Err, "1 of 3 windows of backfill curve failed, the first: DataInvalid: too few events")
		assert.Contains(t, r.Err, "recflow backfill retry curve")
		var b apiclient.Backfill
		require.NoError(t, json.Unmarshal([]byte(clitest.Run(t.Context(), "", "backfill", "show", "curve", "-o", "json").Out), &b))
		assert.Equal(t, 0.24, b.Windows[2].Metrics.Candidate["ndcg@100"].Value)
	})
	t.Run("its exit codes depend on the outcome", func(t *testing.T) {
		for _, c := range []struct {
			code int
			says string
			args []string
		}{
			{app.ExitNotFound, "none", []string{"show", "none"}},
			{app.ExitUsage, "from", []string{"start", "as_of", "--from", "yesterday"}},
			{app.ExitUsage, "replay", []string{"start", "replay"}},
			{app.ExitUsage, "--rank is not valid for lists", []string{"start", "lists", "--rank", "8"}},
			{app.ExitUsage, "--k is not valid for refresh", []string{"start", "refresh", "--k", "8"}},
			{1, "no such file", []string{"start", "lists", "--users", "missing.csv"}},
			{app.ExitUsage, "list-users/", []string{"start", "lists", "--users", "s3://bucket/elsewhere/users.csv"}},
			{app.ExitConflict, "waiting", []string{"start", "as_of", "--from", "2025-01-11", "--to", "2025-01-15", "--step", "1d", "--dry-run"}},
			{1, "Temporal", []string{"start", "as_of", "--from", "2025-02-11", "--to", "2025-02-15", "--step", "1d", "--dry-run"}},
			{0, "follow it", []string{"start", "as_of", "--from", "2025-02-11", "--to", "2025-02-15", "--step", "1d"}},
		} {
			r := clitest.Run(t.Context(), "", append([]string{"backfill"}, c.args...)...)
			assert.Equal(t, c.code, r.Code, "%v: %s", c.args, r.Err)
			assert.Contains(t, r.Err, c.says, c.args)
		}
	})
	t.Run("it cancels one, even while Temporal is unreachable", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "backfill", "cancel", "waiting", "-o", "json")
		require.Equal(t, 0, r.Code, r.Err)
		b, err := s.Backfill(t.Context(), "waiting")
		require.NoError(t, err)
		assert.Equal(t, backfill.Cancelling, b.State)
	})
}

func TestPrintLists(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	a := &app.App{Streams: app.Streams{Out: &out, Err: &errs}}
	a.Output = "table"
	at := time.Date(2025, 1, 9, 3, 31, 0, 0, time.UTC)
	b := apiclient.Backfill{Manifest: "lists/run=20250109T033100Z-x/_manifest.json", Windows: []apiclient.Window{
		{Window: backfill.Window{State: backfill.Succeeded, Rows: 20011, Attempt: 1, StartedAt: at, EndedAt: at.Add(4 * time.Second),
			Lists: &backfill.WrittenLists{Lists: 20011, Files: []backfill.ListFile{{Bytes: 1000}, {Bytes: 234}}}}},
		{Window: backfill.Window{Index: 1, State: backfill.Running, Rows: 1500, Attempt: 2, StartedAt: at, Earlier: []backfill.Attempt{{Error: "cancelled"}}}},
	}}
	b.Kind, b.Version = backfill.Lists, 12
	require.NoError(t, backfills.PrintBackfill(a, b))
	clitest.Golden(t, "backfill_lists", out.String())
	assert.Equal(t, "lists of version 12; manifest lists/run=20250109T033100Z-x/_manifest.json\n", errs.String())

	errs.Reset()
	require.NoError(t, backfills.PrintPlan(a, apiclient.Plan{Kind: backfill.Lists, Run: 2, Minutes: 0.4, Lists: &apiclient.ListsPlan{Version: 12, Users: 20500, Bytes: 22550000}}))
	assert.Equal(t, "20,500 lists of version 12 in 2 windows, about 22,550,000 bytes; less than a minute; nothing was started\n", errs.String())
}

func TestPrintPlan(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	a := &app.App{Streams: app.Streams{Out: &out, Err: &errs}}
	a.Output = "table"
	require.NoError(t, backfills.PrintPlan(a, apiclient.Plan{Kind: backfill.AsOf, Run: 1, Skip: 1, Minutes: 3, Windows: []apiclient.PlanWindow{
		{To: time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC), Decision: "skip", Reason: "already trained as version 7 of backfill curve", Files: 3, Bytes: 12345, Rows: 1000},
		{Index: 1, To: time.Date(2025, 1, 3, 0, 0, 0, 0, time.UTC), Decision: "run", Reason: "it never ran", Files: 4, Bytes: 22345, Rows: 2000, RowsEstimated: true, Minutes: 3},
	}, Warnings: []apiclient.PlanWarning{
		{File: "raw/interactions/dt=2025-01-02/part-0.parquet", Message: "cannot count its rows: 3 bytes are too few for a Parquet file"},
		{Message: "the rows of 7 more files cannot be counted"},
	}}))
	clitest.Golden(t, "backfill_plan", out.String())
	assert.Equal(t, "1 windows would run, 1 would be skipped; about 3 minutes; nothing was started\n"+
		"warning: raw/interactions/dt=2025-01-02/part-0.parquet: cannot count its rows: 3 bytes are too few for a Parquet file\n"+
		"warning: the rows of 7 more files cannot be counted\n", errs.String())
}

func TestBackfillWatch_prints_the_data_checks_that_did_not_pass(t *testing.T) {
	s := clitest.NewSystem(t)
	clitest.StartAPI(t, clitest.NoTemporal)
	from := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	cut, err := backfill.Cut(backfill.AsOf, from, from.AddDate(0, 0, 2), 24*time.Hour)
	require.NoError(t, err)
	_, _, err = s.CreateBackfill(t.Context(), ledger.NewBackfill{
		Backfill: backfill.Backfill{
			ID: "checked", Kind: backfill.AsOf, From: from, To: from.AddDate(0, 0, 2), StepSeconds: 86400, MaxParallel: 1, Rerun: backfill.RerunMissing,
			Request: json.RawMessage(`{}`), Actor: "test", WorkflowID: "backfill-checked", Windows: cut,
		},
		Parameters: []byte("p"), RequestDigest: []byte("checked"),
	})
	require.NoError(t, err)
	_, err = s.StartBackfill(t.Context(), "checked", 1, "run")
	require.NoError(t, err)
	for i, share := range []string{"10.0%", "20.0%"} {
		v := postgrestest.Build(t, s, postgrestest.Fixture{RunID: fmt.Sprintf("run-%d", i), Items: 30, Users: 10, ChangeManifest: func(m *recsys.Manifest) {
			m.Checks = []recsys.Check{{Rule: "null_ids", Severity: "error", Passed: true}, {Rule: "event_types", Severity: "warning", Message: "order (" + share + ") has no weight"}}
		}})
		at := backfill.Window{Index: i, Attempt: 1, WorkflowID: "w", State: backfill.Succeeded, Version: v.ID, Metrics: &recsys.Metrics{Users: 240,
			Candidate: map[string]recsys.Metric{"ndcg@100": {Value: 0.1}}, Popularity: map[string]recsys.Metric{"ndcg@100": {Value: 0.05 + float64(i)}}}}
		_, err := s.StartWindow(t.Context(), "checked", at)
		require.NoError(t, err)
		require.NoError(t, s.EndWindow(t.Context(), "checked", at))
	}
	_, err = s.EndBackfill(t.Context(), "checked", 1, "")
	require.NoError(t, err)

	r := clitest.Run(t.Context(), "", "backfill", "watch", "checked")
	require.Zero(t, r.Code, r.Err)
	assert.Regexp(t, `event_types +warning +2 +order \(20.0%\) has no weight`, r.Out)
	assert.NotContains(t, r.Out, "null_ids")
	assert.Equal(t, 1, strings.Count(r.Out, "POPULARITY IS NOT BEATEN"))

	r = clitest.Run(t.Context(), "", "backfill", "watch", "checked", "-o", "json")
	require.Zero(t, r.Code, r.Err)
	require.True(t, json.Valid([]byte(r.Out)))
	assert.Contains(t, r.Err, "warning: data check event_types did not pass in 2 windows: order (20.0%) has no weight")
}
