package output_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
)

func TestPopularityWins(t *testing.T) {
	t.Parallel()
	metrics := func(version, popular float64) recsys.Metrics {
		return recsys.Metrics{Candidate: map[string]recsys.Metric{"ndcg@100": {Value: version}}, Popularity: map[string]recsys.Metric{"ndcg@100": {Value: popular}}}
	}
	assert.Empty(t, output.PopularityWins(metrics(0.3, 0.2)))
	assert.Empty(t, output.PopularityWins(recsys.Metrics{}), "nothing was compared")
	for _, m := range []recsys.Metrics{metrics(0.1, 0.2), metrics(0.2, 0.2)} {
		assert.Contains(t, output.PopularityWins(m), "POPULARITY IS NOT BEATEN: the same popular items for everyone reach ndcg@100 0.2000, this version 0.")
	}
}

func TestInterest_lists_the_heaviest_types_first(t *testing.T) {
	t.Parallel()
	in := recsys.DefaultInterest()
	in.Weights["return"], in.Weights["play"] = -5, 2
	in.ValueUse = map[string]string{"Play": recsys.LogValue}
	assert.Equal(t, "purchase 5, add_to_cart 3, play 2 × log, click 1, rating 1 from 4 up, view 1, return -5; half-life 90d; floor 0.01", output.Interest(in))
	in.HalfLifeSeconds = 0
	assert.Contains(t, output.Interest(in), "; no half-life; ")
}
