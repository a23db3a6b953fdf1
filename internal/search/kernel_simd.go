//go:build amd64 || arm64

package search

const (
	groupDims  = 4
	groupBytes = groupDims * blockItems
)

// simdKernel stores, for each block and each group of four dimensions, the four
// codes of each item side by side: the content of one lane of a vector register.
// The last group is padded with zeros.
type simdKernel struct {
	groups int // of dimensions, in a block
	codes  []int8
}

func newKernel(blocks, dimension int) kernel {
	if simd() {
		return newSIMDKernel(blocks, dimension)
	}
	return newWordKernel(blocks, dimension)
}

func newSIMDKernel(blocks, dimension int) kernel {
	groups := (dimension + groupDims - 1) / groupDims
	return &simdKernel{groups: groups, codes: make([]int8, blocks*groups*groupBytes)}
}

func (k *simdKernel) minScanned() int { return 8 }

func (k *simdKernel) bytes() int64 { return int64(len(k.codes)) }

func (k *simdKernel) put(block int, codes [][]int8) {
	dst := k.codes[block*k.groups*groupBytes:]
	for i, item := range codes {
		for j, code := range item {
			dst[j/groupDims*groupBytes+i*groupDims+j%groupDims] = code
		}
	}
}

// prefetch loads the n values of a vector into the processor's cache.
//
//go:noescape
func prefetch(vector *float32, n int)
