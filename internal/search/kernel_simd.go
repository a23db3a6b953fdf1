//go:build amd64 || arm64

package search

// simdKernel stores the codes of each item in a row, padded with zeros to whole
// vector registers, so that items can be compared in blocks and one by one.
type simdKernel struct {
	stride int // bytes of an item
	codes  []int8
}

func newKernel(blocks, dimension int) kernel {
	if simd() {
		return newSIMDKernel(blocks, dimension)
	}
	return newWordKernel(blocks, dimension)
}

func newSIMDKernel(blocks, dimension int) kernel {
	stride := paddedBytes(dimension)
	return &simdKernel{stride: stride, codes: make([]int8, blocks*blockItems*stride)}
}

func (k *simdKernel) minScanned() int { return 8 }

func (k *simdKernel) bytes() int64 { return int64(len(k.codes)) }

func (k *simdKernel) put(block int, codes [][]int8) {
	for i, item := range codes {
		copy(k.codes[(block*blockItems+i)*k.stride:], item)
	}
}
