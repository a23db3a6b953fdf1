package search

import "golang.org/x/sys/cpu"

func simd() bool { return cpu.ARM64.HasASIMDDP } // the dot product instructions, from Armv8.2 on

func (k *simdKernel) query(codes []int8) any {
	q := make([]int8, k.stride)
	copy(q, codes)
	return q
}

func (k *simdKernel) scan(query any, from, n int, m *marks) {
	q := query.([]int8)
	scanNEON(&k.codes[from*blockItems*k.stride], &q[0], k.stride, n*blockItems/8, &m.scores[0])
	m.setMasks(n)
}

func (k *simdKernel) gather(query any, positions []uint32, scores []int32) {
	q := query.([]int8)
	gatherNEON(&k.codes[0], &q[0], k.stride, &positions[0], len(positions)/8, &scores[0])
}

// scanNEON computes the inner products of eights > 0 times eight items in a row, with
// stride codes each.
//
//go:noescape
func scanNEON(codes, q *int8, stride, eights int, scores *int32)

// gatherNEON is scanNEON for items at any positions.
//
//go:noescape
func gatherNEON(codes, q *int8, stride int, positions *uint32, eights int, scores *int32)
