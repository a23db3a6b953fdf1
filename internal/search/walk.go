package search

// walkItems is the maximum number of items that a walker compares together. They are
// far apart, so comparing one at a time would mostly wait for memory.
const walkItems = 64

// walker compares eligible items that are not adjacent, by their codes if the kernel
// can, and otherwise by an inner product in float32.
type walker struct {
	*run
	gatherer  gatherer // nil: float32
	codes     any      // of the query
	limit     int      // of positions; it grows, because the first items set the threshold
	positions []uint32
	buffer    [walkItems]uint32
	scores    [walkItems]int32
}

func (r *run) newWalker() *walker {
	w := &walker{run: r, limit: 8}
	w.positions = w.buffer[:0]
	if g, ok := r.kernel.(gatherer); ok {
		w.gatherer, w.codes = g, r.kernel.query(r.query.codes)
	}
	return w
}

// add adds an eligible item. Calls must be in ascending order of positions. It returns
// false if neither this item nor those that follow can be among the best, after it has
// compared those added before.
func (w *walker) add(at uint32) bool {
	if len(w.positions) == 0 {
		if b := &w.bounds[at/blockItems]; !w.query.mayReach(b, w.query.power(b), w.threshold()) {
			return false
		}
	}
	w.positions = append(w.positions, at)
	if len(w.positions) == w.limit {
		w.compare()
		w.limit = min(2*w.limit, walkItems)
	}
	return true
}

// compare compares the items added so far, and pushes those that may be among the
// best.
func (w *walker) compare() {
	n := len(w.positions)
	if n == 0 {
		return
	}
	if w.gatherer == nil {
		for _, at := range w.positions {
			w.pushIfReachable(at)
		}
		w.positions = w.buffer[:0]
		return
	}
	for len(w.positions)%8 != 0 {
		w.positions = append(w.positions, w.positions[n-1])
	}
	w.gatherer.gather(w.codes, w.positions, w.scores[:])
	for i, at := range w.positions[:n] {
		b := &w.bounds[at/blockItems]
		if w.query.upper(b, w.scores[i]) >= w.product(b) && !w.isExcluded(at) {
			w.push(at)
		}
	}
	w.positions = w.buffer[:0]
}

// pushIfReachable pushes an item if its score may reach the threshold and the item is
// not excluded.
func (w *walker) pushIfReachable(at uint32) {
	b := &w.bounds[at/blockItems]
	if w.query.reaches(w.vector(at), b.norm, w.product(b)) && !w.isExcluded(at) {
		w.push(at)
	}
}

// product returns a lower bound of the inner product of the query with an item of a
// block that can be among the best.
func (w *walker) product(b *bounds) float64 {
	return w.query.product(b, w.query.power(b), w.threshold())
}
