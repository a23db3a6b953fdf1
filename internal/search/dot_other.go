//go:build !amd64

package search

// dot returns the inner product of two vectors of the same length, in float32.
func dot(x, q []float32) float32 { return dotPortable(x, q) }
