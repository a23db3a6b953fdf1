package recsys_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"

	"github.com/recflow/recflow/internal/recsys"
)

// catalog returns a small random set of item vectors with its fold-in.
func catalog(t *rapid.T) ([][]float32, recsys.FoldIn) {
	k := rapid.IntRange(1, 6).Draw(t, "dimension")
	vector := rapid.SliceOfN(rapid.Float32Range(-2, 2), k, k)
	items := rapid.SliceOfN(vector, 1, 8).Draw(t, "items")
	f := recsys.FoldIn{Dimension: k, Gram: make([]float64, k*k), Alpha: 5, Regularization: 0.1, Exponent: 1, MeanItems: 1}
	for _, v := range items {
		for i := range k {
			for j := range k {
				f.Gram[i*k+j] += float64(v[i]) * float64(v[j])
			}
		}
	}
	return items, f
}

func TestFoldIn(t *testing.T) {
	t.Run("it solves the equation of one dimension", func(t *testing.T) {
		f := recsys.FoldIn{Dimension: 1, Gram: []float64{7}, Alpha: 5, Regularization: 0.1, Exponent: 1, MeanItems: 1}
		got, err := f.Vector([][]float32{{2}, {3}, {9}}, []float32{1, 0.5, 0})
		require.NoError(t, err)
		want := (6*2 + 3.5*3) / (7 + 5*1*4 + 5*0.5*9 + 0.1*2)
		assert.InDelta(t, want, float64(got[0]), 1e-7)
	})

	t.Run("it minimizes the weighted squares", rapid.MakeCheck(func(t *rapid.T) {
		items, f := catalog(t)
		weights := rapid.SliceOfN(rapid.Float32Range(0.01, 20), len(items), len(items)).Draw(t, "weights")
		x, err := f.Vector(items, weights)
		require.NoError(t, err)
		k := f.Dimension
		for i := range k {
			var left, scale float64
			for j := range k {
				left += f.Gram[i*k+j] * float64(x[j])
				scale += math.Abs(f.Gram[i*k+j] * float64(x[j]))
			}
			left += f.Regularization * float64(len(items)) * float64(x[i])
			for n, v := range items {
				var score float64
				for j := range k {
					score += float64(v[j]) * float64(x[j])
				}
				w := f.Alpha * float64(weights[n])
				left += (w*score - (1 + w)) * float64(v[i])
				scale += (w*math.Abs(score) + 1 + w) * math.Abs(float64(v[i]))
			}
			assert.LessOrEqual(t, math.Abs(left), 1e-5*(scale+1))
		}
	}))

	t.Run("it does not depend on the order of the items", rapid.MakeCheck(func(t *rapid.T) {
		items, f := catalog(t)
		order := make([]int, len(items))
		for i := range order {
			order[i] = i
		}
		weights := rapid.SliceOfN(rapid.Float32Range(0, 20), len(items), len(items)).Draw(t, "weights")
		weights[0] = 1
		want, err := f.Vector(items, weights)
		require.NoError(t, err)
		var moved [][]float32
		var movedWeights []float32
		for _, i := range rapid.Permutation(order).Draw(t, "order") {
			moved, movedWeights = append(moved, items[i]), append(movedWeights, weights[i])
		}
		got, err := f.Vector(moved, movedWeights)
		require.NoError(t, err)
		for i := range want {
			assert.InDelta(t, want[i], got[i], 1e-5*(1+math.Abs(float64(want[i]))))
		}
	}))

	t.Run("it does not change its gram matrix", func(t *testing.T) {
		f := recsys.FoldIn{Dimension: 1, Gram: []float64{7}, Alpha: 5, Regularization: 0.1, Exponent: 1, MeanItems: 1}
		_, err := f.Vector([][]float32{{2}}, []float32{1})
		require.NoError(t, err)
		assert.Equal(t, []float64{7}, f.Gram)
	})

	for name, c := range map[string]struct {
		f       recsys.FoldIn
		items   [][]float32
		weights []float32
	}{
		"a gram matrix of another size": {recsys.FoldIn{Dimension: 2, Gram: []float64{1}}, [][]float32{{1, 2}}, []float32{1}},
		"an item of another dimension":  {recsys.FoldIn{Dimension: 1, Gram: []float64{1}}, [][]float32{{1, 2}}, []float32{1}},
		"more weights than items":       {recsys.FoldIn{Dimension: 1, Gram: []float64{1}}, nil, []float32{1}},
		"no positive weight":            {recsys.FoldIn{Dimension: 1, Gram: []float64{1}}, [][]float32{{1}}, []float32{0}},
		"an indefinite system":          {recsys.FoldIn{Dimension: 1, Gram: []float64{-9}}, [][]float32{{1}}, []float32{1}},
		"a nearly singular system":      {recsys.FoldIn{Dimension: 2, Gram: []float64{1, 0, 0, 1e-20}}, [][]float32{{1, 0}}, []float32{1}},
	} {
		t.Run("it refuses "+name, func(t *testing.T) {
			_, err := c.f.Vector(c.items, c.weights)
			assert.Error(t, err)
		})
	}
}

// TestFoldIn_long_histories compares histories of several blocks of items with the
// equation summed item by item, in goroutines that share the reused memory.
func TestFoldIn_long_histories(t *testing.T) {
	t.Parallel()
	for _, k := range []int{3, 17} {
		for _, n := range []int{127, 128, 129, 500} {
			r := rand.New(rand.NewPCG(uint64(k), uint64(n)))
			f := recsys.FoldIn{Dimension: k, Gram: make([]float64, k*k), Alpha: 2, Regularization: 0.1, Exponent: 1, MeanItems: 1}
			items, weights := make([][]float32, n), make([]float32, n)
			a, b := mat.NewSymDense(k, nil), mat.NewVecDense(k, nil)
			for i := range k {
				f.Gram[i*k+i] = 1
				a.SetSym(i, i, 1+f.Regularization*float64(n))
			}
			for i := range items {
				items[i], weights[i] = make([]float32, k), r.Float32()*5+0.1
				v := mat.NewVecDense(k, nil)
				for j := range k {
					items[i][j] = float32(r.NormFloat64())
					v.SetVec(j, float64(items[i][j]))
				}
				a.SymRankOne(a, f.Alpha*float64(weights[i]), v)
				b.AddScaledVec(b, 1+f.Alpha*float64(weights[i]), v)
			}
			var want mat.VecDense
			require.NoError(t, want.SolveVec(a, b))
			for range 4 {
				t.Run(fmt.Sprintf("%d items × %d", n, k), func(t *testing.T) {
					t.Parallel()
					first, err := f.Vector(items, weights)
					require.NoError(t, err)
					for j := range k {
						assert.InDelta(t, want.AtVec(j), float64(first[j]), 1e-6)
					}
					again, err := f.Vector(items, weights)
					require.NoError(t, err)
					assert.Equal(t, first, again, "the same bits")
				})
			}
		}
	}
}
