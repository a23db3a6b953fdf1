package backfills_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/clitest"
)

// scheduleAPI stores a schedule, and records each change and its etag.
type scheduleAPI struct {
	present *apiclient.Schedule
	seen    []string
	last    string // body of the last PUT
}

func (s *scheduleAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		s.seen = append(s.seen, r.Method+" "+r.Header.Get("If-Match")+r.Header.Get("If-None-Match"))
	}
	switch {
	case r.Method == http.MethodPut:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		s.last = string(body)
		if s.present == nil {
			s.present = &apiclient.Schedule{Next: []time.Time{time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)}}
		}
		if err := json.Unmarshal(body, &s.present.NewSchedule); err != nil {
			panic(err)
		}
	case s.present == nil:
		w.Header().Set("Content-Type", apiclient.ProblemType)
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(apiclient.Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "no refresh is scheduled"})
		return
	case r.Method == http.MethodDelete:
		s.present = nil
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("ETag", `"7"`)
	_ = json.NewEncoder(w).Encode(s.present)
}

func TestScheduleCommand(t *testing.T) {
	api := &scheduleAPI{}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	t.Setenv("RECFLOW_HOME", t.TempDir())
	t.Setenv("RECFLOW_API_URL", server.URL)

	t.Run("it says how to create one if there is none", func(t *testing.T) {
		for _, verb := range []string{"show", "pause", "resume", "delete"} {
			r := clitest.Run(t.Context(), "", "schedule", verb)
			assert.Equal(t, app.ExitNotFound, r.Code, verb)
			assert.Contains(t, r.Err, "recflow schedule set")
		}
		require.Empty(t, api.seen)
	})
	t.Run("it creates the first one", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "schedule", "set", "--cron", "0 3 * * *", "--jitter", "10m", "--rank", "32", "--from", "2026-01-01")
		require.Equal(t, 0, r.Code, r.Err)
		assert.Contains(t, r.Out, "cron 0 3 * * * (UTC)")
		assert.Contains(t, r.Out, "2026-01-02T03:00:00Z")
		require.Equal(t, []string{"PUT *"}, api.seen)
		assert.JSONEq(t, `{"cron": "0 3 * * *", "jitter": "10m", "from": "2026-01-01T00:00:00Z", "training": {"rank": 32}}`, api.last)
		assert.Equal(t, 32, api.present.Training.Rank)
		assert.Equal(t, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), api.present.From)
	})
	t.Run("it sends only what is set", func(t *testing.T) {
		interest := filepath.Join(t.TempDir(), "interest.yaml")
		require.NoError(t, os.WriteFile(interest, []byte("weights: {transaction: 5}\nvalue_use: {transaction: log}\n"), 0o600))
		for _, c := range []struct {
			args []string
			body string
		}{
			{[]string{"pause", "--note", "the shop moves"}, `{"paused": true, "note": "the shop moves"}`},
			{[]string{"set", "--cron", "0 4 * * *"}, `{"cron": "0 4 * * *"}`},
			{[]string{"set", "--alpha", "3", "--seed", "0"}, `{"training": {"alpha": 3, "seed": 0}}`},
			{[]string{"set", "--no-promote"}, `{"promote": false}`},
			{[]string{"set", "--no-promote=false", "--jitter", "0s"}, `{"promote": true, "jitter": "0s"}`},
			{[]string{"set", "--reset", "training,from"}, `{"reset": ["training", "from"]}`},
			{[]string{"set", "--interest", interest}, `{"training": {"interest": {"weights": {"transaction": 5}, "value_use": {"transaction": "log"}}}}`},
			{[]string{"set", "--reset", "interest"}, `{"reset": ["interest"]}`},
			{[]string{"pause"}, `{"paused": true}`},
		} {
			r := clitest.Run(t.Context(), "", append([]string{"schedule"}, c.args...)...)
			require.Equal(t, 0, r.Code, r.Err)
			assert.JSONEq(t, c.body, api.last, c.args)
			assert.Equal(t, `PUT "7"`, api.seen[len(api.seen)-1])
			assert.Contains(t, r.Out, "paused: the shop moves")
			if c.args[0] == "set" {
				assert.Contains(t, r.Err, "recflow schedule resume")
			}
		}
		r := clitest.Run(t.Context(), "", "schedule", "resume")
		require.Equal(t, 0, r.Code, r.Err)
		assert.JSONEq(t, `{"paused": false}`, api.last)
		assert.NotContains(t, r.Out, "paused")
		assert.Empty(t, clitest.Run(t.Context(), "", "schedule", "set", "--jitter", "5m").Err)
	})
	t.Run("it shows the interest", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "schedule", "show")
		require.Equal(t, 0, r.Code, r.Err)
		assert.Contains(t, r.Out, "transaction 5 × log; half-life 90d; floor 0.01")
	})
	t.Run("it shows why it is paused, and the outcomes of the runs", func(t *testing.T) {
		api.present.Paused, api.present.Note = new(true), "version 7 is refused: gate recall"
		api.present.Missed = 2
		api.present.Runs = []apiclient.ScheduledRun{{WorkflowID: "recflow-refresh-x", Outcome: "refused", Detail: "gate recall (value 0.91)"}}
		r := clitest.Run(t.Context(), "", "schedule", "show")
		require.Equal(t, 0, r.Code, r.Err)
		assert.Contains(t, r.Out, "paused: version 7 is refused: gate recall")
		assert.Contains(t, r.Out, "2 missed")
		assert.Contains(t, r.Out, "gate recall (value 0.91)")
		var s apiclient.Schedule
		require.NoError(t, json.Unmarshal([]byte(clitest.Run(t.Context(), "", "schedule", "show", "-o", "json").Out), &s))
		assert.Equal(t, "refused", s.Runs[0].Outcome)
	})
	t.Run("it deletes it", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "schedule", "delete")
		require.Equal(t, 0, r.Code, r.Err)
		assert.Equal(t, `DELETE "7"`, api.seen[len(api.seen)-1])
		assert.Nil(t, api.present)
	})
	t.Run("it refuses wrong usage", func(t *testing.T) {
		assert.Equal(t, app.ExitUsage, clitest.Run(t.Context(), "", "schedule", "set").Code)
		r := clitest.Run(t.Context(), "", "schedule", "set", "--jitter", "10m")
		assert.Equal(t, app.ExitUsage, r.Code)
		assert.Contains(t, r.Err, "there is no schedule yet; pass --cron or --every")
		assert.Equal(t, app.ExitUsage, clitest.Run(t.Context(), "", "schedule", "set", "--cron", "0 3 * * *", "--every", "24h").Code)
		assert.Equal(t, app.ExitUsage, clitest.Run(t.Context(), "", "schedule", "set", "--every", "24h", "--from", "soon").Code)
	})
}
