package search

import "golang.org/x/sys/cpu"

func simd() bool { return cpu.ARM64.HasASIMDDP } // the dot product instructions, from Armv8.2 on

func (k *simdKernel) query(codes []int8) any {
	q := make([]int8, k.groups*groupDims)
	copy(q, codes)
	return q
}

func (k *simdKernel) scan(query any, from, n int, m *marks) {
	q := query.([]int8)
	scanNEON(&k.codes[from*k.groups*groupBytes], &q[0], k.groups, n, &m.scores[0])
	m.setMasks(n)
}

// scanNEON computes the inner products of n > 0 blocks of groups > 0 groups.
//
//go:noescape
func scanNEON(codes, q *int8, groups, n int, scores *int32)
