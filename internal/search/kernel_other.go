//go:build !amd64 && !arm64

package search

func simd() bool { return false }

func newKernel(blocks, dimension int) kernel { return newWordKernel(blocks, dimension) }
