package search

import "golang.org/x/sys/cpu"

func simd() bool { return cpu.X86.HasAVX2 && cpu.X86.HasFMA }

// dot returns the inner product of two vectors of the same length, in float32.
func dot(x, q []float32) float32 {
	if simd() && len(x) > 0 {
		return dotAVX2(&x[0], &q[0], len(x))
	}
	return dotPortable(x, q)
}

// dotAVX2 is dot for n values.
//
//go:noescape
func dotAVX2(x, q *float32, n int) float32

// simdQuery is the query's codes and their magnitudes. VPMADDUBSW multiplies
// unsigned by signed bytes, so the signs of the query are applied to the items.
type simdQuery struct{ codes, magnitudes []int8 }

func (k *simdKernel) query(codes []int8) any {
	q := &simdQuery{codes: make([]int8, k.groups*groupDims), magnitudes: make([]int8, k.groups*groupDims)}
	for i, c := range codes {
		q.codes[i], q.magnitudes[i] = c, max(c, -c)
	}
	return q
}

func (k *simdKernel) scan(query any, from, n int, m *marks) {
	q := query.(*simdQuery)
	scanAVX2(&k.codes[from*k.groups*groupBytes], &q.codes[0], &q.magnitudes[0], k.groups, n, &m.floors[0], &m.masks[0], &m.scores[0])
}

// scanAVX2 is scan for n > 0 blocks of groups > 0 groups.
//
//go:noescape
func scanAVX2(codes, q, magnitudes *int8, groups, n int, floors *int32, masks *uint32, scores *int32)
