package recommend

// candidate is a row that may be among the nearest of a query.
type candidate struct {
	score float32
	row   int32
}

// top keeps the best rows that a query may list, ties by item id: the worst of
// them is first, and each is better than the one at half its place.
type top struct {
	m        *matrix
	query    []float32
	excluded map[int32]bool
	size     int
	heap     []candidate
}

// meet is offer for the many rows that are not good enough.
func (t *top) meet(score float32, row int) {
	if len(t.heap) < t.size || score >= t.heap[0].score {
		t.consider(candidate{score, int32(row)})
	}
}

// consider keeps a row if it may be listed and is good enough.
func (t *top) consider(c candidate) {
	if t.m.available[c.row] && !t.excluded[c.row] {
		t.offer(c)
	}
}

// offer keeps a row that may be listed if it is good enough.
func (t *top) offer(c candidate) {
	if len(t.heap) < t.size {
		t.heap = append(t.heap, c)
		t.up(len(t.heap) - 1)
		return
	}
	if t.worse(t.heap[0], c) {
		t.heap[0] = c
		t.down()
	}
}

// worse reports whether a comes after b in a list.
func (t *top) worse(a, b candidate) bool {
	if a.score != b.score {
		return a.score < b.score
	}
	return t.m.ids[a.row] > t.m.ids[b.row]
}

func (t *top) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !t.worse(t.heap[i], t.heap[parent]) {
			return
		}
		t.heap[i], t.heap[parent] = t.heap[parent], t.heap[i]
		i = parent
	}
}

func (t *top) down() {
	for i := 0; ; {
		worst := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(t.heap); child++ {
			if t.worse(t.heap[child], t.heap[worst]) {
				worst = child
			}
		}
		if worst == i {
			return
		}
		t.heap[i], t.heap[worst] = t.heap[worst], t.heap[i]
		i = worst
	}
}
