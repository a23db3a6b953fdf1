package search

import "golang.org/x/sys/cpu"

func simd() bool { return cpu.X86.HasAVX2 }

// simdQuery is the query's codes and their magnitudes. VPMADDUBSW multiplies
// unsigned by signed bytes, so the signs of the query are applied to the items.
type simdQuery struct{ codes, magnitudes []int8 }

func (k *simdKernel) query(codes []int8) any {
	q := &simdQuery{codes: make([]int8, k.stride), magnitudes: make([]int8, k.stride)}
	for i, c := range codes {
		q.codes[i], q.magnitudes[i] = c, max(c, -c)
	}
	return q
}

func (k *simdKernel) scan(query any, from, n int, m *marks) {
	q := query.(*simdQuery)
	scanAVX2(&k.codes[from*blockItems*k.stride], &q.codes[0], &q.magnitudes[0], k.stride, n*blockItems/8, &m.scores[0])
	markAVX2(&m.scores[0], &m.floors[0], n, &m.masks[0])
}

func (k *simdKernel) gather(query any, positions []uint32, scores []int32) {
	q := query.(*simdQuery)
	gatherAVX2(&k.codes[0], &q.codes[0], &q.magnitudes[0], k.stride, &positions[0], len(positions)/8, &scores[0])
}

// scanAVX2 computes the inner products of eights > 0 times eight items in a row, with
// stride codes each.
//
//go:noescape
func scanAVX2(codes, q, magnitudes *int8, stride, eights int, scores *int32)

// gatherAVX2 is scanAVX2 for items at any positions.
//
//go:noescape
func gatherAVX2(codes, q, magnitudes *int8, stride int, positions *uint32, eights int, scores *int32)

// markAVX2 is marks.setMasks for n > 0 blocks.
//
//go:noescape
func markAVX2(scores, floors *int32, n int, masks *uint32)
