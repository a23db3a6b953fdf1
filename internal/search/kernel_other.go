//go:build !amd64 && !arm64

package search

func simd() bool { return false }

func newKernel(blocks, dimension int) kernel { return newWordKernel(blocks, dimension) }

func prefetch(*float32, int) {}

// dot returns the inner product of two vectors of the same length, in float32.
func dot(x, q []float32) float32 { return dotPortable(x, q) }
