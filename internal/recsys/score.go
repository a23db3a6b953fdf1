package recsys

// Score is the inner product of two vectors of one length, as it ranks items
// and is shown. Products of two float32 are exact in a float64 and are added
// from the first on, so it is the same wherever it is computed: in the
// database's process it would depend on the processor
// (docs/decisions/0017-search-in-memory.md).
func Score(a, b []float32) float64 {
	b = b[:len(a)]
	sum := 0.0
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}
