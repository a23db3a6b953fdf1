package search

import "slices"

// bitmap is a set of positions, padded to whole blocks.
type bitmap []byte

func newBitmap(positions int) bitmap { return make(bitmap, blocksOf(positions)*blockItems/8) }

func blocksOf(positions int) int { return (positions + blockItems - 1) / blockItems }

func (b bitmap) has(p uint32) bool { return b[p/8]&(1<<(p%8)) != 0 }

func (b bitmap) set(p uint32, to bool) {
	if to {
		b[p/8] |= 1 << (p % 8)
	} else {
		b[p/8] &^= 1 << (p % 8)
	}
}

// block returns the part of the set in a block: bit i is item i of the block.
func (b bitmap) block(n int) uint32 {
	part := b[n*blockItems/8:][:blockItems/8]
	return uint32(part[0]) | uint32(part[1])<<8 | uint32(part[2])<<16
}

// sparse is the reciprocal of the maximum share of items in a posting that is a
// list. Above it, a bitmap is smaller and comparing whole blocks is faster.
const sparse = 32

// posting is the items with a category or a tag: a list of their positions, in
// order, or a bitmap.
type posting struct {
	count int
	list  []uint32
	bits  bitmap
}

// newPosting returns a posting of sorted positions out of total.
func newPosting(positions []uint32, total int) posting {
	p := posting{count: len(positions)}
	if len(positions) <= total/sparse {
		p.list = slices.Clone(positions) // without spare capacity
		return p
	}
	p.bits = newBitmap(total)
	for _, at := range positions {
		p.bits.set(at, true)
	}
	return p
}

func (p posting) has(at uint32) bool {
	if p.bits != nil {
		return p.bits.has(at)
	}
	_, found := slices.BinarySearch(p.list, at)
	return found
}

// edit returns the posting with some positions removed and others added.
func (p posting) edit(removed map[uint32]bool, added []uint32, total int) posting {
	positions := make([]uint32, 0, p.count+len(added))
	keep := func(at uint32) {
		if !removed[at] {
			positions = append(positions, at)
		}
	}
	for _, at := range p.list {
		keep(at)
	}
	for i, part := range p.bits {
		for bit := range 8 {
			if part&(1<<bit) != 0 {
				keep(uint32(8*i + bit))
			}
		}
	}
	positions = append(positions, added...)
	slices.Sort(positions)
	return newPosting(positions, total)
}

func (p posting) bytes() int64 { return int64(56 + 4*len(p.list) + len(p.bits)) }
