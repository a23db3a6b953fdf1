package streams_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/cli/streams"
	"github.com/recflow/recflow/internal/local/aws/eventsource"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

// withVerdicts adds ninety folded events and ten that were not, and evaluations
// of two stages.
func withVerdicts(t *testing.T, s *postgrestest.Store) {
	t.Helper()
	var verdicts []events.Verdict
	var evaluations []events.Evaluation
	for i := range 100 {
		id := fmt.Sprintf("e%03d", i)
		sum := sha256.Sum256([]byte(id))
		v := events.Verdict{EventID: id, Digest: [16]byte(sum[:16]), Verdict: events.Folded, Stage: "personalized", Version: 1, ArrivedAt: time.Now().Add(-300 * time.Millisecond)}
		switch {
		case i < 30:
			v.Stage = "session"
		case i >= 97:
			v.Verdict, v.Reason, v.Stage = events.QuarantinedVerdict, "not_json", ""
		case i >= 90:
			v.Verdict, v.Reason, v.Stage = events.Ignored, "unknown_item", ""
		}
		verdicts = append(verdicts, v)
		if i < 60 {
			e := events.Evaluation{EventID: id, Version: 1, LiveStage: v.Stage, StaleStage: "popular", LiveRank: 1 + i%40, StaleRank: (i * 3) % 90}
			evaluations = append(evaluations, e)
		}
	}
	require.NoError(t, s.WriteVerdicts(t.Context(), verdicts, evaluations))
}

func TestStreamStatus(t *testing.T) {
	store := clitest.NewSystem(t)
	clitest.StartAPI(t, clitest.NoTemporal)
	t.Setenv("RECFLOW_STREAM_STATUS", "")
	t.Run("it shows an empty stream", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "stream", "status")
		require.Zero(t, r.Code, r.Err)
		assert.Equal(t, "0 events in 5m0s, 0.0/s\n", r.Out)
	})
	withVerdicts(t, store)
	t.Run("it prints verdicts, stages and freshness", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "stream", "status", "--since", "100s")
		require.Zero(t, r.Code, r.Err)
		assert.Contains(t, r.Out, "100 events in 1m40s, 1.0/s")
		assert.Regexp(t, `folded +90 +90.0 %`, r.Out)
		assert.Regexp(t, `ignored +unknown_item +7 +7.0 %`, r.Out)
		assert.Regexp(t, `session +30 +33.3 %`, r.Out)
		assert.Regexp(t, `p50 \d{3} ms`, r.Out)
	})
	t.Run("it prints where the mapping is", func(t *testing.T) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			json.NewEncoder(w).Encode(eventsource.Status{
				Stream: "recflow-events", State: "running", IteratorAgeMS: 1234, LastError: "bad\x1b[2J",
				Shards: []eventsource.ShardStatus{{ID: "shardId-0", State: "reading", Pending: 7, IteratorAgeMS: 1234}},
			})
		}))
		t.Cleanup(srv.Close)
		t.Setenv("RECFLOW_STREAM_STATUS", srv.URL)
		r := clitest.Run(t.Context(), "", "stream", "status")
		require.Zero(t, r.Code, r.Err)
		assert.Contains(t, r.Out, "stream recflow-events · running · iterator age 1.234s")
		assert.Contains(t, r.Out, `bad\x1b[2J`)
		assert.Regexp(t, `shardId-0 +reading +7 +1.234s`, r.Out)

		r = clitest.Run(t.Context(), "", "stream", "status", "-o", "csv")
		assert.Contains(t, r.Out, "measure,of,value\niterator_age_ms,,1234\n")
		assert.Contains(t, r.Out, "\nverdict_events,quarantined/not_json,3\n")
		var status streams.StreamStatus
		require.NoError(t, json.Unmarshal([]byte(clitest.Run(t.Context(), "", "stream", "status", "-o", "json").Out), &status))
		assert.Equal(t, 7, status.Mapping.Shards[0].Pending)
		assert.GreaterOrEqual(t, status.Freshness.P50, 300.0)
	})
	t.Run("it reports an unreachable mapping, and prints the rest", func(t *testing.T) {
		t.Setenv("RECFLOW_STREAM_STATUS", "http://127.0.0.1:1/status")
		r := clitest.Run(t.Context(), "", "stream", "status")
		assert.Equal(t, 1, r.Code)
		assert.Contains(t, r.Err, "the stream's mapping is unreachable")
		assert.Contains(t, r.Out, "100 events")
	})
	t.Run("it reports the limit of the time range", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "stream", "status", "--since", "200h")
		assert.Equal(t, app.ExitUsage, r.Code)
		assert.Contains(t, r.Err, "last is not a duration from 1ms to 7d; use 5m, 36h or 7d")
		assert.Empty(t, r.Out)
	})
}

func TestStreamStatus_explains_how_to_start_the_API(t *testing.T) {
	t.Setenv("RECFLOW_HOME", t.TempDir())
	t.Setenv("RECFLOW_API_URL", "")
	assert.Contains(t, clitest.Run(t.Context(), "", "stream", "status").Err, "recflow up")
	t.Setenv("RECFLOW_API_URL", "http://127.0.0.1:1")
	r := clitest.Run(t.Context(), "", "stream", "quality")
	assert.Equal(t, 1, r.Code)
	assert.Contains(t, r.Err, "start the local stack with `recflow up`")
}

func TestStreamQuality(t *testing.T) {
	store := clitest.NewSystem(t)
	clitest.StartAPI(t, clitest.NoTemporal)
	t.Run("it explains why there is nothing yet", func(t *testing.T) {
		assert.Contains(t, clitest.Run(t.Context(), "", "stream", "quality").Out, "no event has been evaluated yet")
		assert.Equal(t, "[]\n", clitest.Run(t.Context(), "", "stream", "quality", "-o", "json").Out)
	})
	withVerdicts(t, store)
	t.Run("it prints each stage and the total", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "stream", "quality")
		require.Zero(t, r.Code, r.Err)
		clitest.Golden(t, "stream_quality", r.Out)
		var lines []apiclient.StageQuality
		require.NoError(t, json.Unmarshal([]byte(clitest.Run(t.Context(), "", "stream", "quality", "-o", "json").Out), &lines))
		require.Len(t, lines, 3)
		sum := lines[2]
		assert.EqualValues(t, 60, sum.Events)
		assert.InDelta(t, float64(sum.OnlyLive-sum.OnlyStale)/60, sum.Difference, 1e-12)
		assert.InDelta(t, (lines[0].LiveReciprocal*float64(lines[0].Events)+lines[1].LiveReciprocal*float64(lines[1].Events))/60, sum.LiveReciprocal, 1e-12)
	})
}
