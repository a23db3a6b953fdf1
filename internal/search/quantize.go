package search

import (
	"math"

	"github.com/recflow/recflow/internal/recsys"
)

const (
	// blockItems is the number of items that share a scale and are compared
	// together. It is a multiple of the items that each kernel processes at once: 8
	// (AVX2, NEON), 3 (a 64-bit word).
	blockItems = 24

	// maxCode is the largest magnitude of a code: the sum of two products of codes
	// fits into 16 bits and the sum of 64 into 21 bits, including the sign.
	maxCode = 127
)

// paddedBytes is the size of an item's codes in vector registers of 32 bytes.
func paddedBytes(dimension int) int { return (dimension + 31) / 32 * 32 }

// margin returns ρ of the package comment for vectors of d values.
func margin(d int) float64 { return float64(d+16) * 0x1p-50 }

// bounds limits the difference between the codes and the vectors of a block's
// items. The norms include the margin.
type bounds struct {
	norm  float64 // of the longest vector
	share float64 // at most the norm of the shortest vector divided by norm; 1 if norm is 0
	scale float64 // value of the code 1
	err   float64 // norm of the largest difference between a vector and its codes
	coded float64 // norm of the longest vector that codes represent
}

// norm returns the Euclidean norm of v, including the margin.
func norm(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum) * (1 + margin(len(v)))
}

// encode writes the codes of vectors of the same length that share a scale.
func encode(codes [][]int8, vectors [][]float32) bounds {
	largest := 0.0
	for _, v := range vectors {
		for _, x := range v {
			largest = max(largest, math.Abs(float64(x)))
		}
	}
	b, shortest := bounds{scale: largest / maxCode, share: 1}, math.Inf(1)
	if largest == 0 {
		b.scale = 1
	}
	for i, v := range vectors {
		err, coded := 0.0, 0.0
		for j, x := range v {
			code := math.RoundToEven(float64(x) / b.scale)
			back := code * b.scale
			codes[i][j] = int8(code)
			err += (float64(x) - back) * (float64(x) - back)
			coded += back * back
		}
		rho, length := margin(len(v)), norm(v)
		b.norm, shortest = max(b.norm, length), min(shortest, length*(1-2*rho))
		b.err = max(b.err, math.Sqrt(err)*(1+rho)+rho*length)
		b.coded = max(b.coded, math.Sqrt(coded)*(1+rho))
	}
	if b.norm > 0 {
		b.share = shortest / b.norm * (1 - margin(1))
	}
	return b
}

// prepared is a query with its codes.
type prepared struct {
	vector []float32
	codes  []int8
	bounds
	rho  float64
	beta float64 // of recsys.SimilarScore
}

func prepare(vector []float32, beta float64) prepared {
	q := prepared{vector: vector, codes: make([]int8, len(vector)), rho: margin(len(vector)), beta: beta}
	q.bounds = encode([][]int8{q.codes}, [][]float32{vector})
	return q
}

// power returns the norm of a block's longest vector to the power of β, or 1 if it is 0.
func (q *prepared) power(b *bounds) float64 {
	if b.norm == 0 {
		return 1
	}
	return recsys.NormPower(b.norm, q.beta)
}

// mayReach reports whether the score of an item of a block with this power, or of one
// that is not longer, can reach the threshold.
func (q *prepared) mayReach(b *bounds, power, threshold float64) bool {
	return b.norm*q.norm >= threshold*power
}

// product returns a lower bound of the inner product of the query with an item of a
// block with this power if the item's score reaches the threshold.
func (q *prepared) product(b *bounds, power, threshold float64) float64 {
	if q.beta > 0 && threshold > 0 {
		power *= b.share
	}
	return threshold * power
}

// slack returns the largest difference between the inner product of an item with the
// query and that of the vectors that the codes represent.
func (q *prepared) slack(b *bounds) float64 {
	return b.err*q.norm + b.coded*q.err + q.rho*b.norm*q.norm
}

// upper returns an upper bound of the inner product of an item with the query by that
// of their codes. The margin ρ covers its few roundings too.
func (q *prepared) upper(b *bounds, codes int32) float64 {
	return float64(codes)*(b.scale*q.scale) + q.slack(b)
}

// floor returns a lower bound of the inner product of an item's codes with the
// query's if the inner product of the vectors reaches product. Inner products of codes
// are within ±2²⁴: outside this range rounding is irrelevant, and inside it the 1
// covers the rounding.
func (q *prepared) floor(b *bounds, product float64) int32 {
	y := (product - q.slack(b)) / (b.scale * q.scale)
	switch {
	case y < -0x1p30: // also −∞
		return math.MinInt32
	case y > 0x1p30:
		return math.MaxInt32
	default:
		return int32(math.Floor(y)) - 1
	}
}

// maxFloat32 is a product of two norms up to which no sum of products in float32
// overflows.
const maxFloat32 = 0x1p126

// reaches reports whether the inner product of an item whose norm is at most length
// may reach least, by the inner product in float32. A sum of d products in
// float32 is off by at most γ·|x|·|q|, γ = (d + 1)·u/(1 − (d + 1)·u) and u = 2⁻²⁴, in
// any order and with or without fused additions; the margin is four times as large.
// Products below the range of float32 add at most d·2⁻¹⁴⁸.
func (q *prepared) reaches(vector []float32, length, least float64) bool {
	product := length * q.norm
	if product > maxFloat32 {
		return true
	}
	d := float64(len(vector))
	slack := (d+16)*0x1p-22*product + d*0x1p-140
	return float64(dot(vector, q.vector))+slack >= least
}

// dot returns the inner product of two vectors of the same length, in float32. Four
// independent sums are faster than one.
func dot(x, q []float32) float32 {
	q = q[:len(x)]
	var a, b, c, d float32
	for len(x) >= 4 && len(q) >= 4 {
		a += x[0] * q[0]
		b += x[1] * q[1]
		c += x[2] * q[2]
		d += x[3] * q[3]
		x, q = x[4:], q[4:]
	}
	for i, v := range x {
		a += v * q[i]
	}
	return (a + b) + (c + d)
}
