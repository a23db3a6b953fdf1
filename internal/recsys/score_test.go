package recsys_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
)

func TestSimilarScore_divides_the_inner_product_by_a_power_of_the_neighbors_norm(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	for _, beta := range recsys.Betas() {
		for range 100 {
			q, v := make([]float32, 8), make([]float32, 8)
			square := 0.0
			for i := range q {
				q[i], v[i] = float32(r.NormFloat64()), float32(r.NormFloat64()*10)
				square += float64(v[i]) * float64(v[i])
			}
			want := recsys.Score(q, v) / math.Pow(math.Sqrt(square), beta)
			require.InEpsilon(t, want, recsys.SimilarScore(q, v, beta), 1e-14)
			require.Equal(t, recsys.Score(q, v), recsys.SimilarScore(q, v, 0))
		}
	}
}

func TestSimilarScore_is_0_for_a_vector_without_a_direction(t *testing.T) {
	t.Parallel()
	for _, beta := range recsys.Betas() {
		require.Zero(t, recsys.SimilarScore([]float32{1, -2}, []float32{0, 0}, beta))
		require.Zero(t, recsys.SimilarScore([]float32{0, 0}, []float32{3, 4}, beta))
	}
}

// TestNormPower_grows_with_the_norm is what the bounds of a search need, rounding included.
func TestNormPower_grows_with_the_norm(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(2, 2))
	for _, beta := range recsys.Betas() {
		for range 10_000 {
			norm := math.Exp(r.NormFloat64() * 30)
			require.LessOrEqual(t, recsys.NormPower(norm, beta), recsys.NormPower(math.Nextafter(norm, math.Inf(1)), beta))
		}
	}
}
