package search

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/recflow/recflow/internal/recsys"
)

// Search returns the min(K, eligible) eligible items with the largest
// recsys.SimilarScore (for β = 0: recsys.Score) with the query's vector, best first,
// ties by item id. It returns an error if the
// vector has a wrong length or a value that is not finite. It allocates memory in
// proportion to the query and the result, not to the number of items.
func (v *View) Search(q recsys.Query) ([]recsys.Hit, error) {
	if len(q.Vector) != v.dimension {
		return nil, fmt.Errorf("the query has %d values, the items' vectors have %d", len(q.Vector), v.dimension)
	}
	if !finite(q.Vector) {
		return nil, fmt.Errorf("the query has a value that is not finite")
	}
	if q.K <= 0 || v.Len() == 0 {
		return nil, nil
	}
	r := &run{
		View: v, query: prepare(q.Vector, q.Beta), filters: v.filters(q), excluded: v.positions(q.Exclude),
		best: make([]scored, 0, min(q.K, v.Len())),
	}
	// The shortest posting comes first: if it is a list, only its items are compared.
	slices.SortFunc(r.filters, func(a, b posting) int { return cmp.Compare(a.count, b.count) })
	switch {
	case len(r.filters) == 0 || r.filters[0].count > v.Len()/blockItems*r.kernel.minScanned():
		r.scan()
	case r.filters[0].bits == nil:
		r.walk(r.filters[0].list, r.filters[1:])
	default:
		r.walkBits()
	}
	return r.hits(), nil
}

// positions returns the sorted positions of the items that exist in the index.
func (x *Index) positions(ids []string) []uint32 {
	out := make([]uint32, 0, len(ids))
	for _, id := range ids {
		if at, known := x.position(id); known {
			out = append(out, at)
		}
	}
	slices.Sort(out)
	return out
}

// run is the state of one search, which visits the positions in order.
type run struct {
	*View
	query    prepared
	filters  []posting
	excluded []uint32 // sorted positions that were not passed yet
	best     []scored // heap of the best items so far, the worst one first
}

type scored struct {
	score float64
	at    uint32
}

// threshold returns the minimum score of an item to be among the best.
func (r *run) threshold() float64 {
	if len(r.best) < cap(r.best) {
		return math.Inf(-1)
	}
	return r.best[0].score
}

// scan compares the query with all blocks in order.
func (r *run) scan() {
	codes := r.kernel.query(r.query.codes)
	var m marks
	for from, n := 0, 1; from < len(r.bounds); from, n = from+n, min(2*n, runBlocks) {
		n = min(n, len(r.bounds)-from)
		threshold := r.threshold()
		for i := range n {
			b := &r.bounds[from+i]
			power := r.query.power(b)
			if !r.query.mayReach(b, power, threshold) {
				n = i
				break
			}
			m.floors[i] = r.query.floor(b, r.query.product(b, power, threshold))
		}
		if n == 0 {
			return
		}
		r.kernel.scan(codes, from, n, &m)
		for i, mask := range m.masks[:n] {
			if mask != 0 {
				r.pushMarked(from+i, mask)
			}
		}
	}
}

// pushMarked pushes the marked items of a block that are eligible and not excluded.
func (r *run) pushMarked(block int, mask uint32) {
	for mask &= r.eligible(block); mask != 0; mask &= mask - 1 {
		if at := uint32(block*blockItems + bits.TrailingZeros32(mask)); !r.isExcluded(at) {
			r.push(at)
		}
	}
}

// walkBits compares the query with the items that match filters that are bitmaps.
func (r *run) walkBits() {
	w := r.newWalker()
	for n := range len(r.available) / 8 {
		word := r.available.word(n)
		for _, f := range r.filters {
			word &= f.bits.word(n)
		}
		for ; word != 0; word &= word - 1 {
			if !w.add(uint32(64*n + bits.TrailingZeros64(word))) {
				return
			}
		}
	}
	w.compare()
}

// eligible returns the available items of a block that match the filters.
func (r *run) eligible(block int) uint32 {
	mask := r.available.block(block)
	for _, f := range r.filters {
		mask &= f.bits.block(block)
	}
	return mask
}

// walk compares the query with the items of a list that match the other filters.
func (r *run) walk(list []uint32, others []posting) {
	w := r.newWalker()
	for _, at := range list {
		if r.available.has(at) && !slices.ContainsFunc(others, func(p posting) bool { return !p.has(at) }) && !w.add(at) {
			return
		}
	}
	w.compare()
}

// isExcluded reports whether the query excludes a position. Calls must be in
// ascending order of positions.
func (r *run) isExcluded(at uint32) bool {
	for len(r.excluded) > 0 && r.excluded[0] < at {
		r.excluded = r.excluded[1:]
	}
	return len(r.excluded) > 0 && r.excluded[0] == at
}

// push adds an item to the heap if it is among the best.
func (r *run) push(at uint32) {
	s := scored{recsys.SimilarScore(r.query.vector, r.vector(at), r.query.beta), at}
	if len(r.best) < cap(r.best) {
		r.best = append(r.best, s)
		r.up(len(r.best) - 1)
	} else if r.compare(s, r.best[0]) < 0 {
		r.best[0] = s
		r.down()
	}
}

// compare orders by score, best first, and then by item id.
func (r *run) compare(a, b scored) int {
	if c := cmp.Compare(b.score, a.score); c != 0 {
		return c
	}
	return cmp.Compare(r.id(a.at), r.id(b.at))
}

func (r *run) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if r.compare(r.best[i], r.best[parent]) <= 0 {
			return
		}
		r.best[i], r.best[parent] = r.best[parent], r.best[i]
		i = parent
	}
}

func (r *run) down() {
	for i := 0; ; {
		worst := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(r.best); child++ {
			if r.compare(r.best[child], r.best[worst]) > 0 {
				worst = child
			}
		}
		if worst == i {
			return
		}
		r.best[i], r.best[worst] = r.best[worst], r.best[i]
		i = worst
	}
}

func (r *run) hits() []recsys.Hit {
	slices.SortFunc(r.best, r.compare)
	hits := make([]recsys.Hit, len(r.best))
	for i, s := range r.best {
		hits[i] = recsys.Hit{Item: r.item(s.at), Score: s.score}
	}
	return hits
}
