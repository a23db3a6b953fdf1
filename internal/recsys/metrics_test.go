package recsys_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/recflow/recflow/internal/recsys"
)

func set(ids ...string) map[string]bool {
	s := map[string]bool{}
	for _, id := range ids {
		s[id] = true
	}
	return s
}

func TestNDCGAt(t *testing.T) {
	list := []string{"a", "b", "c", "d"}
	for _, c := range []struct {
		it      string
		k       int
		answers map[string]bool
		ndcg    float64
	}{
		{"finds everything", 4, set("a", "b"), 1},
		{"finds nothing", 4, set("x"), 0},
		{"divides by k if there are more answers than positions", 1, set("a", "b", "c"), 1},
		{"ignores items after position k", 2, set("c"), 0},
		{"discounts a late hit", 4, set("b"), 1 / math.Log2(3)},
		{"counts an unknown answer as a miss", 4, set("a", "gone"), 1 / (1 + 1/math.Log2(3))},
		{"accepts a list shorter than k", 10, set("d", "x"), (1 / math.Log2(5)) / (1 + 1/math.Log2(3))},
		{"is zero without answers", 4, nil, 0},
	} {
		t.Run("it "+c.it, func(t *testing.T) {
			assert.InDelta(t, c.ndcg, recsys.NDCGAt(c.k, list, c.answers), 1e-12)
		})
	}
}

func TestSearchRecallAt(t *testing.T) {
	truth := []float64{5, 4, 3, 3, 3}
	for _, c := range []struct {
		it    string
		k     int
		found []float64
		want  float64
	}{
		{"is one for the true list", 5, truth, 1},
		{"counts any of several tied items", 3, []float64{5, 4, 3}, 1},
		{"misses what is worse than the k-th", 3, []float64{5, 3, 2}, 2. / 3},
		{"misses absent items", 4, []float64{5, 4}, 0.5},
		{"uses the length of a shorter true list", 100, truth, 1},
	} {
		t.Run("it "+c.it, func(t *testing.T) {
			assert.InDelta(t, c.want, recsys.SearchRecallAt(c.k, c.found, truth), 1e-12)
		})
	}
	assert.Equal(t, 1., recsys.SearchRecallAt(10, nil, nil), "nothing to find")
}

func TestQuantile(t *testing.T) {
	values := []float64{4, 1, 3, 2}
	assert.Equal(t, 1., recsys.Quantile(values, 0.05))
	assert.Equal(t, 2., recsys.Quantile(values, 0.5))
	assert.Equal(t, 4., recsys.Quantile(values, 1))
	assert.Equal(t, []float64{4, 1, 3, 2}, values, "it does not change its argument")
}

func TestBootstrap(t *testing.T) {
	t.Run("it contains the mean and is deterministic", rapid.MakeCheck(func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1, 1), 1, 40).Draw(t, "values")
		seed := rapid.Uint64().Draw(t, "seed")
		m := recsys.Bootstrap(values, seed)
		assert.Equal(t, m, recsys.Bootstrap(values, seed))
		assert.LessOrEqual(t, m.Low, m.Value+1e-9)
		assert.GreaterOrEqual(t, m.High, m.Value-1e-9)
	}))
	t.Run("it has the width of the normal approximation", func(t *testing.T) {
		values := make([]float64, 400)
		for i := range values {
			values[i] = float64(i % 2) // standard deviation 0.5
		}
		m := recsys.Bootstrap(values, 1)
		assert.InDelta(t, 2*1.96*0.5/20, m.High-m.Low, 0.01)
	})
	t.Run("it is zero for no values", func(t *testing.T) {
		assert.Zero(t, recsys.Bootstrap(nil, 1))
	})
}

func TestPairedInterval(t *testing.T) {
	t.Parallel()
	t.Run("it agrees with Wald for many events", func(t *testing.T) {
		t.Parallel()
		low, high := recsys.PairedInterval(6000, 4000, 100_000)
		half := 1.96 * math.Sqrt(10_000-2000.0*2000/100_000) / 100_000
		assert.InDelta(t, 0.02-half, low, 1e-4)
		assert.InDelta(t, 0.02+half, high, 1e-4)
	})
	t.Run("it has a positive width without differences, and stays within -1 and 1", func(t *testing.T) {
		t.Parallel()
		low, high := recsys.PairedInterval(0, 0, 10)
		assert.Less(t, low, 0.0)
		assert.InDelta(t, -low, high, 1e-12)
		_, high = recsys.PairedInterval(1, 0, 1)
		assert.LessOrEqual(t, high, 1.0)
	})
}
