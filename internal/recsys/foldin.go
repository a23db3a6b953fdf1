package recsys

import (
	"fmt"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
)

// FoldIn computes a user's vector from item vectors, exactly as the last half
// step of implicit alternating least squares does (Hu, Koren, Volinsky 2008,
// equation 4, with the regularization λ·n of Spark MLlib):
//
//	A = VᵀV + Σ α·w·v·vᵀ + λ·n·I      b = Σ (1 + α·w)·v      over the n items with w > 0
//
// VᵀV is the Gram matrix over the whole catalog of the version.
type FoldIn struct {
	Dimension      int       // k, the length of every vector
	Gram           []float64 // k×k, row-major, symmetric
	Alpha          float64
	Regularization float64 // λ
}

// Vector returns the vector of the user whose items have the given vectors and
// weights. Pairs whose weight is not positive are ignored. It returns an error
// if none remains, a dimension is wrong, or the system is not positive
// definite.
func (f FoldIn) Vector(items [][]float32, weights []float32) ([]float32, error) {
	chol, b, err := f.equation(items, weights)
	if err != nil {
		return nil, err
	}
	var x mat.VecDense
	if err := chol.SolveVecTo(&x, mat.NewVecDense(f.Dimension, b)); err != nil {
		return nil, fmt.Errorf("fold-in: solve: %w", err)
	}
	out := make([]float32, f.Dimension)
	for i := range out {
		out[i] = float32(x.AtVec(i))
	}
	return out, nil
}

// Terms splits the score of an item, for the user that Vector solves for, into
// the contribution of each of the user's items: since u = A⁻¹b, the score of
// item j is
//
//	vⱼᵀu = Σ (1 + α·w)·vⱼᵀA⁻¹v
//
// (Hu, Koren, Volinsky 2008, section 5, "Explaining recommendations"). A pair
// whose weight is not positive contributes 0. The terms sum to vⱼᵀu up to
// rounding.
func (f FoldIn) Terms(items [][]float32, weights []float32, target []float32) ([]float64, error) {
	k := f.Dimension
	if len(target) != k {
		return nil, fmt.Errorf("fold-in: item vector has %d dimensions, want %d", len(target), k)
	}
	chol, _, err := f.equation(items, weights)
	if err != nil {
		return nil, err
	}
	var y mat.VecDense // A⁻¹vⱼ; A is symmetric
	if err := chol.SolveVecTo(&y, mat.NewVecDense(k, widen(target))); err != nil {
		return nil, fmt.Errorf("fold-in: solve: %w", err)
	}
	terms := make([]float64, len(items))
	for i, item := range items {
		if w := float64(weights[i]); w > 0 {
			terms[i] = (1 + f.Alpha*w) * mat.Dot(&y, mat.NewVecDense(k, widen(item)))
		}
	}
	return terms, nil
}

// equation returns A, factorized, and b.
func (f FoldIn) equation(items [][]float32, weights []float32) (*mat.Cholesky, []float64, error) {
	k := f.Dimension
	if len(f.Gram) != k*k {
		return nil, nil, fmt.Errorf("fold-in: gram matrix has %d values, want %d×%d", len(f.Gram), k, k)
	}
	if len(items) != len(weights) {
		return nil, nil, fmt.Errorf("fold-in: %d vectors but %d weights", len(items), len(weights))
	}
	a := blas64.Symmetric{N: k, Stride: k, Data: append([]float64(nil), f.Gram...), Uplo: blas.Upper}
	b := make([]float64, k)
	v := blas64.Vector{N: k, Inc: 1, Data: make([]float64, k)}
	n := 0
	for i, item := range items {
		w := float64(weights[i])
		if !(w > 0) {
			continue
		}
		if len(item) != k {
			return nil, nil, fmt.Errorf("fold-in: item vector has %d dimensions, want %d", len(item), k)
		}
		for j, x := range item {
			v.Data[j] = float64(x)
		}
		blas64.Syr(f.Alpha*w, v, a)
		blas64.Axpy(1+f.Alpha*w, v, blas64.Vector{N: k, Inc: 1, Data: b})
		n++
	}
	if n == 0 {
		return nil, nil, fmt.Errorf("fold-in: no item with a positive weight")
	}
	for i := range k {
		a.Data[i*k+i] += f.Regularization * float64(n)
	}
	var chol mat.Cholesky
	if !chol.Factorize(mat.NewSymDense(k, a.Data)) {
		return nil, nil, fmt.Errorf("fold-in: the normal equations are not positive definite")
	}
	return &chol, b, nil
}

func widen(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}
