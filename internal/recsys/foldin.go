package recsys

import (
	"fmt"
	"math"
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// FoldIn computes a user's vector from item vectors, exactly as the last half
// step of implicit alternating least squares does (Hu, Koren, Volinsky 2008,
// equation 4, with the regularization of Rendle et al. 2022, "Revisiting the
// performance of iALS on item recommendation benchmarks", equation 8):
//
//	A = VᵀV + Σ α·w·v·vᵀ + λ·(n / mean n)^ν·I      b = Σ (1 + α·w)·v      over the n items with w > 0
//
// VᵀV is the Gram matrix over the whole catalog of the version.
type FoldIn struct {
	Dimension      int       // k, the length of every vector
	Gram           []float64 // k×k, row-major, symmetric
	Alpha          float64
	Regularization float64 // λ
	Exponent       float64 // ν
	MeanItems      float64 // mean n of the trained users
}

// Vector returns the vector of the user whose items have the given vectors and
// weights. Pairs whose weight is not positive are ignored. It returns an error
// if none remains, a dimension is wrong, or the system is not positive
// definite.
func (f FoldIn) Vector(items [][]float32, weights []float32) ([]float32, error) {
	e, err := f.equation(items, weights)
	if err != nil {
		return nil, err
	}
	defer e.release()
	e.solve(e.b)
	out := make([]float32, f.Dimension)
	for i, x := range e.b {
		out[i] = float32(x)
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
	e, err := f.equation(items, weights)
	if err != nil {
		return nil, err
	}
	defer e.release()
	y := widen(target)
	e.solve(y) // A⁻¹vⱼ; A is symmetric
	terms := make([]float64, len(items))
	for i, item := range items {
		w := float64(weights[i])
		if !(w > 0) {
			continue
		}
		var sum float64
		for j, x := range item {
			sum += y[j] * float64(x)
		}
		terms[i] = (1 + f.Alpha*w) * sum
	}
	return terms, nil
}

// equation is A, factorized in place, and b.
type equation struct {
	a     blas64.Symmetric
	b     []float64
	block []float64 // k×foldInBlock: scaled item vectors, one in each column
}

// equations are reused, because A has 8·k² bytes.
var equations = sync.Pool{New: func() any { return new(equation) }}

// foldInBlock is the number of items that one update of A adds. At 256 dimensions
// they take 256 KiB, which fits into the second-level cache.
const foldInBlock = 128

// equation returns A, factorized, and b. The caller gives it back with release.
//
// A is summed in blocks of items: with √(α·w)·v as the columns of X, a block adds
// X·Xᵀ, which takes the time of one multiplication of matrices and not of many
// rank-1 updates.
func (f FoldIn) equation(items [][]float32, weights []float32) (*equation, error) {
	k := f.Dimension
	if len(f.Gram) != k*k {
		return nil, fmt.Errorf("fold-in: gram matrix has %d values, want %d×%d", len(f.Gram), k, k)
	}
	if len(items) != len(weights) {
		return nil, fmt.Errorf("fold-in: %d vectors but %d weights", len(items), len(weights))
	}
	e := equations.Get().(*equation)
	e.reset(f)
	n := 0
	for i, item := range items {
		w := float64(weights[i])
		if !(w > 0) {
			continue
		}
		if len(item) != k {
			e.release()
			return nil, fmt.Errorf("fold-in: item vector has %d dimensions, want %d", len(item), k)
		}
		confidence := f.Alpha * w
		scale, column := math.Sqrt(confidence), n%foldInBlock
		for j, x := range item {
			e.block[j*foldInBlock+column] = scale * float64(x)
			e.b[j] += (1 + confidence) * float64(x)
		}
		if n++; n%foldInBlock == 0 {
			e.add(foldInBlock)
		}
	}
	if n == 0 {
		e.release()
		return nil, fmt.Errorf("fold-in: no item with a positive weight")
	}
	e.add(n % foldInBlock)
	regularization := f.Regularization * math.Pow(float64(n)/f.MeanItems, f.Exponent)
	for i := range k {
		e.a.Data[i*k+i] += regularization
	}
	if err := e.factorize(); err != nil {
		e.release()
		return nil, err
	}
	return e, nil
}

// reset makes A the Gram matrix, and b zero.
func (e *equation) reset(f FoldIn) {
	k := f.Dimension
	e.a = blas64.Symmetric{N: k, Stride: k, Data: append(e.a.Data[:0], f.Gram...), Uplo: blas.Upper}
	if len(e.b) != k {
		e.b, e.block = make([]float64, k), make([]float64, k*foldInBlock)
	}
	clear(e.b)
}

// add adds the first n columns of the block to A.
func (e *equation) add(n int) {
	if n > 0 {
		blas64.Syrk(blas.NoTrans, 1, blas64.General{Rows: e.a.N, Cols: n, Stride: foldInBlock, Data: e.block}, 1, e.a)
	}
}

// factorize replaces A with its Cholesky factor. The squared ratio of the factor's
// diagonal elements is a lower bound of the condition number of A.
func (e *equation) factorize() error {
	if _, ok := lapack64.Potrf(e.a); !ok {
		return fmt.Errorf("fold-in: the normal equations are not positive definite")
	}
	largest, smallest := 0.0, math.Inf(1)
	for i := range e.a.N {
		d := e.a.Data[i*e.a.Stride+i]
		largest, smallest = max(largest, d), min(smallest, d)
	}
	if c := (largest / smallest) * (largest / smallest); !(c <= mat.ConditionTolerance) {
		return fmt.Errorf("fold-in: the normal equations are nearly singular (condition number at least %.2g)", c)
	}
	return nil
}

// solve replaces x with A⁻¹x.
func (e *equation) solve(x []float64) {
	chol := blas64.Triangular{N: e.a.N, Stride: e.a.Stride, Data: e.a.Data, Uplo: blas.Upper, Diag: blas.NonUnit}
	lapack64.Potrs(chol, blas64.General{Rows: len(x), Cols: 1, Stride: 1, Data: x})
}

// release gives e back for reuse.
func (e *equation) release() { equations.Put(e) }

func widen(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}
