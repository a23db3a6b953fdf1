package recsys

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
