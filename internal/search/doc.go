// Package search finds, in memory, the items of one version with the largest
// recsys.Score with a query vector: exactly those, on every machine, under the
// filters of a recsys.Query. It does no I/O. Where items are read from and when
// an index is replaced belongs in internal/recommend.
//
// A Builder takes the items one by one and makes an Index, which never changes.
// Overrides make a View of it, which is what is searched.
//
// # How it searches
//
// Items are sorted by the Euclidean norm of their vectors, longest first, and cut
// into blocks of 24. A vector is stored twice: as float32, and as int8 codes with
// one scale for the block. A search goes through the blocks and keeps the K best
// scores; the worst of them is the threshold.
//
//   - It stops at the first block whose longest vector cannot reach the threshold:
//     by Cauchy–Schwarz no item that follows can (LEMP, Teflioudi et al. 2015).
//   - In a block, a kernel computes the inner products of the codes, which are
//     integers, and marks the items whose upper bound reaches the threshold.
//   - Only for those the exact score is computed, in float64.
//
// A rare filter has a list of its items, in the same order, and only they are
// compared; otherwise filters are bitmaps that are combined with the marks.
//
// # Why the result is exact
//
// Let q be the query, x an item, c·x̂ and t·q̂ what their codes x̂, q̂ stand for. Then
//
//	x·q − (c·x̂)·(t·q̂) = (x − c·x̂)·q + (c·x̂)·(q − t·q̂)
//
// and by Cauchy–Schwarz
//
//	x·q ≤ c·t·(x̂·q̂) + |x − c·x̂|·|q| + |c·x̂|·|q − t·q̂|
//
// The first product is computed in integers, without rounding: codes are within
// ±127, so that a sum of d products stays below 2³¹ for d ≤ recsys.MaxDimension. The norms
// are computed in float64. A sum of d terms in floating point, in any order, is
// off by at most γ = d·u/(1 − d·u) of the sum of the terms' magnitudes, u = 2⁻⁵³
// (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1);
// this holds for the norms and for recsys.Score, whose products are exact. All of
// these, and the handful of roundings with which they are combined, are covered
// by the margin ρ = (d + 16)·2⁻⁵⁰, eight times as large: norms are multiplied by
// 1 + ρ and ρ·|x|·|q| is added to the bound. No value leaves the range of float64,
// because the square of the smallest and of the largest float32 lie within it. No
// float32 arithmetic takes part.
//
// An item is passed over only if its bound is smaller than the threshold, so that
// equal scores always go by item id.
package search
