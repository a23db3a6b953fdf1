package search

// runBlocks is the maximum number of blocks that a kernel compares in one call.
const runBlocks = 8

// marks is the input and the result of a kernel for up to runBlocks blocks.
type marks struct {
	floors [runBlocks]int32  // input: the minimum inner product of a marked item, per block
	masks  [runBlocks]uint32 // marked items: bit i is item i of the block
	scores [runBlocks * blockItems]int32
}

// A kernel stores the codes of all blocks in its own layout and compares them with
// those of a query. All kernels compute the same inner products.
type kernel interface {
	// put stores the codes of a block: blockItems slices of the same length.
	put(block int, codes [][]int8)

	// query converts a query's codes to the argument of scan.
	query(codes []int8) any

	// scan compares the query with the blocks from..from+n-1.
	scan(query any, from, n int, m *marks)

	// minScanned is the number of eligible items of a block from which scan is faster
	// than comparing them one by one.
	minScanned() int

	// bytes returns the size of the codes.
	bytes() int64
}

// A gatherer is a kernel that also compares the codes of single items.
type gatherer interface {
	// gather sets the inner products with the codes of the items at these positions,
	// whose number is a multiple of 8.
	gather(query any, positions []uint32, scores []int32)
}

// setMasks sets the masks of the first n blocks from their scores.
func (m *marks) setMasks(n int) {
	for i := range n {
		floor, mask := m.floors[i], uint32(0)
		for j, s := range m.scores[i*blockItems : (i+1)*blockItems] {
			if s >= floor {
				mask |= 1 << j
			}
		}
		m.masks[i] = mask
	}
}

// laneBits is the width of an item's sum in a word. It fits the signed sum of
// laneDims products of two codes.
const (
	laneBits = 21
	laneDims = 64
	halfItem = blockItems / 2 // number of items whose words are side by side
)

// wordKernel is the portable kernel. A 64-bit word holds the codes of three items
// for one dimension, so one multiplication computes three products. The sum of a
// lane may be negative and then borrows from the next one; addLanes corrects this.
type wordKernel struct {
	dimension int
	words     [][4]uint64 // for each half of a block, one element per dimension
}

func newWordKernel(blocks, dimension int) kernel {
	return &wordKernel{dimension: dimension, words: make([][4]uint64, 2*blocks*dimension)}
}

func (k *wordKernel) minScanned() int { return 16 }

func (k *wordKernel) bytes() int64 { return int64(len(k.words)) * 32 }

func (k *wordKernel) put(block int, codes [][]int8) {
	for i, item := range codes {
		half := k.words[(2*block+i/halfItem)*k.dimension:]
		for j, code := range item {
			half[j][i%halfItem/3] += uint64(int64(code)) << (i % 3 * laneBits)
		}
	}
}

func (k *wordKernel) query(codes []int8) any {
	wide := make([]uint64, len(codes))
	for i, c := range codes {
		wide[i] = uint64(int64(c))
	}
	return wide
}

func (k *wordKernel) scan(query any, from, n int, m *marks) {
	wide := query.([]uint64)
	for half := range 2 * n {
		words := k.words[(2*from+half)*k.dimension:][:k.dimension]
		scores := (*[halfItem]int32)(m.scores[half*halfItem:])
		*scores = [halfItem]int32{}
		for at := 0; at < len(wide); at += laneDims {
			end := min(at+laneDims, len(wide))
			addWords(scores, words[at:end], wide[at:end])
		}
	}
	m.setMasks(n)
}

// addWords adds the inner products over at most laneDims dimensions.
func addWords(scores *[halfItem]int32, words [][4]uint64, q []uint64) {
	var a, b, c, d uint64
	words = words[:len(q)]
	for i, x := range q {
		w := &words[i]
		a += x * w[0]
		b += x * w[1]
		c += x * w[2]
		d += x * w[3]
	}
	addLanes((*[3]int32)(scores[0:]), a)
	addLanes((*[3]int32)(scores[3:]), b)
	addLanes((*[3]int32)(scores[6:]), c)
	addLanes((*[3]int32)(scores[9:]), d)
}

// addLanes adds the three sums of a word to the scores.
func addLanes(scores *[3]int32, word uint64) {
	const rest = 64 - laneBits
	w := int64(word)
	first := w << rest >> rest
	w = (w - first) >> laneBits
	second := w << rest >> rest
	w = (w - second) >> laneBits
	scores[0] += int32(first)
	scores[1] += int32(second)
	scores[2] += int32(w)
}
