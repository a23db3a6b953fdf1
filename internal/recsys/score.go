package recsys

import (
	"fmt"
	"math"
)

// Score returns the inner product of two vectors of the same length, by which
// items are ranked. Products of two float32 are exact in a float64 and are
// added in order, so the result is the same on every machine; in the database's
// process it would depend on the processor
// (docs/decisions/0017-search-in-memory.md).
func Score(a, b []float32) float64 {
	b = b[:len(a)]
	sum := 0.0
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}

// Betas returns the values of β that SimilarScore knows. Square roots compute these
// powers, and a square root is the same on every machine, unlike math.Pow.
func Betas() []float64 { return []float64{0, 0.25, 0.5, 0.75, 1} }

// SimilarScore returns the score of an item as a neighbor of the item q: their inner
// product divided by |v|^β, where v is the vector of the neighbor. Long vectors are
// those of popular items: with β = 0 they count in full, with β = 1 only the angle
// counts. A vector of zeros has the score 0. The result is the same on every machine.
func SimilarScore(q, v []float32, beta float64) float64 {
	if beta == 0 {
		return Score(q, v)
	}
	v = v[:len(q)]
	product, square := 0.0, 0.0
	for i, x := range q {
		y := float64(v[i])
		product += float64(x) * y
		square += y * y
	}
	if square == 0 {
		return 0
	}
	return product / NormPower(math.Sqrt(square), beta)
}

// NormPower returns norm^β for one of Betas, and panics for another β. A larger norm
// never has a smaller power, also by rounding.
func NormPower(norm, beta float64) float64 {
	switch beta {
	case 0:
		return 1
	case 0.25:
		return math.Sqrt(math.Sqrt(norm))
	case 0.5:
		return math.Sqrt(norm)
	case 0.75:
		root := math.Sqrt(norm)
		return root * math.Sqrt(root)
	case 1:
		return norm
	default:
		panic(fmt.Sprintf("recsys: β is %v", beta))
	}
}
