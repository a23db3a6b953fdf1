// Package search finds, in memory, the items of one version with the largest
// recsys.Score or recsys.SimilarScore with a query vector, under the filters of a
// recsys.Query. The
// result is exact, and the same on every machine. The package does no I/O:
// internal/recommend reads the items and replaces indexes.
//
// A Builder collects the items and builds an Index, which never changes. A View is
// an Index with overrides applied, and can be searched.
//
// # How it searches
//
// Items are sorted by the Euclidean norm of their vectors, longest first, and cut
// into blocks of 24. A vector is stored twice: as float32, and as int8 codes with
// one scale per block. A search visits the blocks in order and keeps the K best
// scores; the worst of them is the threshold.
//
//   - It stops at the first block whose longest vector cannot reach the threshold:
//     by Cauchy–Schwarz no item that follows can (LEMP, Teflioudi et al. 2015).
//   - In a block, a kernel computes the inner products of the codes, which are
//     integers, and marks the items whose upper bound reaches the threshold.
//   - The exact score, in float64, is computed only for marked items.
//
// A rare category or tag has a list of its items, in the same order, other filters are
// bitmaps. If they match few items of a block, only these are compared, many at a
// time; otherwise bitmaps are combined with the marks.
//
// # Why the result is exact
//
// Let q be the query, x an item, and c·x̂ and t·q̂ the vectors that their codes x̂
// and q̂ represent. Then
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
// (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1).
// This applies to the norms and to recsys.Score, whose products are exact. The
// margin ρ = (d + 16)·2⁻⁵⁰ is eight times as large and covers these errors and the
// few roundings that combine them: norms are multiplied by 1 + ρ, and ρ·|x|·|q| is
// added to the bound. No value leaves the range of float64, because the squares of
// the smallest and the largest float32 are within it. This bound uses no float32
// arithmetic.
//
// For recsys.SimilarScore, x·q / |x|^β, the threshold of the inner product differs by
// block. Let l and s be the norms of the block's longest and shortest vector. An item
// reaches a positive threshold τ only if x·q ≥ τ·s^β ≥ τ·l^β·(s/l), and a negative one
// only if x·q ≥ τ·l^β. The search stops at the first block with l·|q| < τ·l^β: l^(1−β)
// is no larger for the blocks that follow. (For β = 1 it never is smaller, and the codes
// of all blocks are compared.) The margins of l, s and |q| also cover the roundings of
// the power and the division.
//
// The portable kernel cannot compare the codes of single items. Where few items of a
// block are eligible, it compares them first by an inner product in float32, with a
// bound for its rounding errors.
//
// An item is skipped only if its bound is smaller than the threshold, so ties are
// always ordered by item id.
package search
