package gates

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
)

func TestAgainstKNN(t *testing.T) {
	t.Parallel()
	require.Empty(t, againstKNN(recsys.Metrics{}))
	m := recsys.Metrics{ItemKNN: map[string]recsys.Metric{"ndcg@100": {Value: 0.3}}, ItemKNNDifference: &recsys.Metric{Value: 0.01, Low: -0.02, High: 0.04}}
	require.Equal(t, ", item-kNN 0.3000", againstKNN(m))
	m.ItemKNNDifference = &recsys.Metric{Value: -0.05, Low: -0.08, High: -0.02}
	require.Equal(t, ", item-kNN 0.3000, which is better by 0.0500 (95 % interval 0.0200 to 0.0800): "+knnAdvice, againstKNN(m))
}
