package search

import (
	"encoding/binary"
	"maps"
	"math/bits"
	"slices"
)

// bitmap is a set of positions, padded to whole blocks and words of 64 bits.
type bitmap []byte

func newBitmap(positions int) bitmap {
	const word = 8 // bytes
	return make(bitmap, (blocksOf(positions)*blockItems/8+word-1)/word*word)
}

// word returns 64 positions, from 64·n on.
func (b bitmap) word(n int) uint64 { return binary.LittleEndian.Uint64(b[8*n:]) }

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

// edit returns the posting with some positions removed and others, which it does not
// have, added. p is not changed.
func (p posting) edit(removed, added map[uint32]bool, total int) posting {
	p.count += len(added) - len(removed)
	if p.bits != nil && p.count > total/sparse {
		p.bits = slices.Clone(p.bits)
		for at := range removed {
			p.bits.set(at, false)
		}
		for at := range added {
			p.bits.set(at, true)
		}
		return p
	}
	positions := make([]uint32, 0, p.count)
	for at := range p.each {
		if !removed[at] {
			positions = append(positions, at)
		}
	}
	if len(added) > 0 {
		positions = slices.AppendSeq(positions, maps.Keys(added))
		slices.Sort(positions)
	}
	return newPosting(positions, total)
}

// each yields the positions in order.
func (p posting) each(yield func(at uint32) bool) {
	for _, at := range p.list {
		if !yield(at) {
			return
		}
	}
	for i, part := range p.bits {
		for ; part != 0; part &= part - 1 {
			if !yield(uint32(8*i + bits.TrailingZeros8(part))) {
				return
			}
		}
	}
}

func (p posting) bytes() int64 { return int64(56 + 4*len(p.list) + len(p.bits)) }
