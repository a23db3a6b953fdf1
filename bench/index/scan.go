package main

import (
	"cmp"
	"container/heap"
	"math/rand/v2"
	"slices"

	"github.com/recflow/recflow/bench/internal/generated"
	"github.com/recflow/recflow/internal/recsys"
)

// scan compares a query with every item, in float32, and ranks the best by their
// exact scores.
type scan struct {
	vectors   []float32
	dimension int
	excluded  []bool
	rows      map[string]int
	rng       *rand.Rand
}

func newScan(vectors []float32, dimension int) *scan {
	s := &scan{vectors: vectors, dimension: dimension, excluded: make([]bool, len(vectors)/dimension), rows: map[string]int{}, rng: rand.New(rand.NewPCG(3, 4))}
	for i := range s.excluded {
		s.rows[generated.ItemID(i)] = i
	}
	return s
}

type candidate struct {
	score float32
	row   int
}

// worstFirst is a heap of candidates.
type worstFirst []candidate

func (h worstFirst) Len() int           { return len(h) }
func (h worstFirst) Less(i, j int) bool { return h[i].score < h[j].score }
func (h worstFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *worstFirst) Push(x any)        { *h = append(*h, x.(candidate)) }
func (h *worstFirst) Pop() any          { panic("it only grows") }

func (s *scan) search(q recsys.Query) []recsys.Hit {
	for _, id := range q.Exclude {
		s.excluded[s.rows[id]] = true
	}
	size := q.K + recsys.Spare
	best := make(worstFirst, 0, size)
	for row := range s.excluded {
		score := product(s.row(row), q.Vector)
		if len(best) == size && score <= best[0].score || s.excluded[row] {
			continue
		}
		if len(best) < size {
			heap.Push(&best, candidate{score, row})
			continue
		}
		best[0] = candidate{score, row}
		heap.Fix(&best, 0)
	}
	hits := make([]recsys.Hit, len(best))
	for i, c := range best {
		hits[i] = recsys.Hit{Item: recsys.Item{ItemID: generated.ItemID(c.row)}, Score: recsys.Score(q.Vector, s.row(c.row))}
	}
	for _, id := range q.Exclude {
		s.excluded[s.rows[id]] = false
	}
	return recsys.Best(hits, q.K)
}

// someNearest is n of the nearest 1,000 items, as a user has seen them.
func (s *scan) someNearest(vector []float32, n int) []string {
	all := make([]candidate, len(s.excluded))
	for row := range all {
		all[row] = candidate{product(s.row(row), vector), row}
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
	out := make([]string, n)
	for i, at := range s.rng.Perm(1000)[:n] {
		out[i] = generated.ItemID(all[at].row)
	}
	return out
}

func (s *scan) row(n int) []float32 { return s.vectors[n*s.dimension : (n+1)*s.dimension] }

// product is summed in four parts that do not wait for each other.
func product(row, q []float32) float32 {
	q = q[:len(row)]
	var w, x, y, z float32
	for len(row) >= 4 && len(q) >= 4 {
		w += row[0] * q[0]
		x += row[1] * q[1]
		y += row[2] * q[2]
		z += row[3] * q[3]
		row, q = row[4:], q[4:]
	}
	for i, r := range row {
		w += r * q[i]
	}
	return (w + x) + (y + z)
}
