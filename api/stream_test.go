package main

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/recsys"
)

// withVerdicts adds ninety folded events and ten that were not, and evaluations of
// two stages.
func (h *harness) withVerdicts(t *testing.T) {
	t.Helper()
	var verdicts []events.Verdict
	var evaluations []events.Evaluation
	for i := range 100 {
		id := fmt.Sprintf("e%03d", i)
		sum := sha256.Sum256([]byte(id))
		v := events.Verdict{EventID: id, Digest: [16]byte(sum[:16]), Verdict: events.Folded, Stage: "personalized", Version: 1,
			ArrivedAt: time.Now().Add(-300 * time.Millisecond)}
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
			evaluations = append(evaluations, events.Evaluation{EventID: id, Version: 1, LiveStage: v.Stage, StaleStage: "popular", LiveRank: 1 + i%40, StaleRank: (i * 3) % 90})
		}
	}
	require.NoError(t, h.Store.WriteVerdicts(t.Context(), verdicts, evaluations))
}

func TestStreamStatus(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	api := h.Client(h.Token)
	none, err := api.StreamStatus(t.Context(), 0)
	require.NoError(t, err)
	require.Zero(t, none.Events)
	require.EqualValues(t, 300, none.Seconds)
	require.Nil(t, none.Freshness)
	require.Contains(t, string(h.Do("GET", "/stream", nil).Body), `"verdicts":[],"stages":[]`)

	h.withVerdicts(t)
	s, err := api.StreamStatus(t.Context(), 100*time.Second)
	require.NoError(t, err)
	require.EqualValues(t, 100, s.Events)
	require.InDelta(t, 1, s.PerSecond, 1e-9)
	require.Equal(t, []apiclient.VerdictCount{{Verdict: "folded", Events: 90}, {Verdict: "ignored", Reason: "unknown_item", Events: 7},
		{Verdict: "quarantined", Reason: "not_json", Events: 3}}, s.Verdicts)
	require.Equal(t, []apiclient.StageShare{{Stage: "personalized", Events: 60, Share: 60.0 / 90}, {Stage: "session", Events: 30, Share: 30.0 / 90}}, s.Stages)
	require.GreaterOrEqual(t, s.Freshness.P50, 300.0)
	require.GreaterOrEqual(t, s.Freshness.P99, s.Freshness.P50)
	require.False(t, s.Newest.Before(s.Since))

	for _, last := range []string{"8d", "0s", "169h", "soon", "-5m"} {
		require.Equal(t, "invalid_request", h.Do("GET", "/stream?last="+last, nil).Problem(t).Code, last)
	}
	require.Equal(t, http.StatusOK, h.Do("GET", "/stream?last=7d", nil).Status)
}

func TestStreamQuality(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	api := h.Client(h.Token)
	require.JSONEq(t, `{"items":[]}`, string(h.Do("GET", "/stream/quality", nil).Body))

	h.withVerdicts(t)
	q, err := api.StreamQuality(t.Context())
	require.NoError(t, err)
	require.Len(t, q.Items, 3, "two stages and their sum")
	first, second, sum := q.Items[0], q.Items[1], q.Items[2]
	require.Equal(t, []string{"personalized", "session", apiclient.AllStages}, []string{first.Stage, second.Stage, sum.Stage})
	require.EqualValues(t, 60, sum.Events)
	require.Equal(t, first.LiveHits+second.LiveHits, sum.LiveHits)
	require.InDelta(t, float64(sum.OnlyLive-sum.OnlyStale)/60, sum.Difference, 1e-12)
	require.InDelta(t, (first.LiveReciprocal*float64(first.Events)+second.LiveReciprocal*float64(second.Events))/60, sum.LiveReciprocal, 1e-12)
	low, high := recsys.PairedInterval(sum.OnlyLive, sum.OnlyStale, 60)
	require.Equal(t, []float64{low, high}, []float64{sum.Low, sum.High})
}
