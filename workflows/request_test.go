package workflows

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
)

func TestRefreshWorkflowID_is_readable_and_the_same_for_the_same_request(t *testing.T) {
	t.Parallel()
	r := DefaultRefresh(day(9))
	id := RefreshWorkflowID(r)
	require.Regexp(t, `^refresh-all-20250109-[0-9a-f]{8}$`, id)

	same := r
	same.Actor = "another user"
	same.To = r.To.In(time.FixedZone("", 3600))
	same.Interest = recsys.DefaultInterest()
	require.Equal(t, id, RefreshWorkflowID(same))

	for name, change := range map[string]func(*RefreshRequest){
		"rank":     func(r *RefreshRequest) { r.Rank = 32 },
		"from":     func(r *RefreshRequest) { r.From = day(1) },
		"to":       func(r *RefreshRequest) { r.To = r.To.Add(time.Millisecond) },
		"interest": func(r *RefreshRequest) { r.Interest.HalfLifeSeconds = 60 },
		"values":   func(r *RefreshRequest) { r.Interest.ValueUse = map[string]string{recsys.Purchase: recsys.LogValue} },
		"weights":  func(r *RefreshRequest) { r.Interest.Weights = map[string]float64{recsys.Purchase: 1} },
		"accept":   func(r *RefreshRequest) { r.AcceptGates = map[string]string{recsys.GateRows: "why"} },
		"promote":  func(r *RefreshRequest) { r.Promote = false },
	} {
		other := r
		change(&other)
		require.NotEqual(t, id, RefreshWorkflowID(other), name)
	}
}

func TestRunID_ends_with_the_digits_that_vary(t *testing.T) {
	t.Parallel()
	id := runID(day(9), "01a210b4-eb10-710a-9c97-d49788bb3648")
	require.Equal(t, "20250109T000000Z-88bb3648", id)
	require.NoError(t, recsys.CheckRunID(id))
}

func TestValidate_reports_every_mistake(t *testing.T) {
	t.Parallel()
	require.NoError(t, DefaultRefresh(day(9)).Validate())
	r := DefaultRefresh(day(9))
	r.From, r.Rank, r.Iterations, r.Alpha, r.Regularization = day(9), -1, 101, math.NaN(), -1
	r.Trainer, r.RegularizationExponent = "svd", new(0.5)
	r.Search = &recsys.Search{Method: "guess"}
	r.AcceptGates = map[string]string{recsys.GateRows: ""}
	err := r.Validate()
	for _, part := range []string{"from", "trainer", "exponent", "rank", "iterations", "alpha", "regularization", "guess", "a reason is needed"} {
		require.ErrorContains(t, err, part)
	}
}

func TestMarkdown_keeps_every_text_in_its_cell(t *testing.T) {
	t.Parallel()
	p := Progress{
		Stage: StageVerify, RunID: "r", Version: 42, GlueRunID: "jr_1",
		Stages: []StageProgress{{Stage: StageLoad, Detail: "a|b\nc", StartedAt: day(1), EndedAt: day(1).Add(1200 * time.Millisecond)}},
		Gates: []recsys.GateResult{
			{Gate: recsys.GateQuality, Value: 0.1, Threshold: 0.2, Reason: strings.Repeat("é", 500)},
			{Gate: recsys.GateRows, Accepted: "known"},
			{Gate: recsys.GateRecall, Passed: true, Warning: true},
		},
	}
	text := p.markdown()
	require.Contains(t, text, `| load | 1.2s | a\|b c |`)
	require.Contains(t, text, "| quality | **refused** | 0.1 | 0.2 |")
	require.Contains(t, text, "accepted: known")
	require.Contains(t, text, "warning")
	for line := range strings.Lines(text) {
		require.Less(t, len(line), 1000)
	}
}
