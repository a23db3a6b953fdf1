package search

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/recflow/recflow/internal/recsys"
)

// ErrItem means that an item cannot be indexed: its vector has a wrong length or a
// value that is not finite, or its id is a duplicate.
var ErrItem = errors.New("the item cannot be indexed")

// Builder collects the items of a version, in any order.
type Builder struct {
	index     *Index
	available []bool
}

// NewBuilder returns a Builder for items with vectors of 1 to recsys.MaxDimension
// values. The number of items is a hint.
func NewBuilder(dimension int, items int64) *Builder {
	if dimension < 1 || dimension > recsys.MaxDimension {
		panic(fmt.Sprintf("search: dimension %d", dimension))
	}
	x := &Index{
		dimension:  dimension,
		vectors:    make([]float32, 0, items*int64(dimension)),
		categories: terms{numbers: map[string]uint32{}},
		tags:       terms{numbers: map[string]uint32{}},
	}
	return &Builder{index: x, available: make([]bool, 0, items)}
}

// Add adds an item without overrides. It copies the vector and ignores Text. It
// returns ErrItem, or an error if the ids or the titles exceed 4 GiB.
func (b *Builder) Add(item recsys.Item, vector []float32) error {
	x := b.index
	if len(vector) != x.dimension {
		return fmt.Errorf("%w: %q has %d values in its vector, not %d", ErrItem, item.ItemID, len(vector), x.dimension)
	}
	if !finite(vector) {
		return fmt.Errorf("%w: %q has a vector with a value that is not finite", ErrItem, item.ItemID)
	}
	if err := errors.Join(x.ids.add(item.ItemID), x.titles.add(item.Title)); err != nil {
		return err
	}
	if item.Category == "" {
		x.categories.add()
	} else {
		x.categories.add(item.Category)
	}
	x.tags.add(item.Tags...)
	x.vectors = append(x.vectors, vector...)
	b.available = append(b.available, item.Available)
	return nil
}

// Bytes estimates the size of an index of the items added so far.
func (b *Builder) Bytes() int64 {
	return Bytes(int64(len(b.available)), b.index.dimension) + int64(len(b.index.ids.all)+len(b.index.titles.all)) +
		b.index.categories.size + b.index.tags.size
}

// Bytes estimates the size of an index without the ids, titles and tags of its
// items.
func Bytes(items int64, dimension int) int64 {
	if simd() {
		return items * (itemBytes(dimension) + int64(paddedBytes(dimension)))
	}
	return items * (itemBytes(dimension) + wordBytes(dimension))
}

// MaxBytes estimates the size of an index on any processor, with 200 bytes of ids,
// titles and tags an item.
func MaxBytes(items int64, dimension int) int64 {
	const texts = 200
	return items * (itemBytes(dimension) + max(int64(paddedBytes(dimension)), wordBytes(dimension)) + texts)
}

// itemBytes is an item's share of everything but the codes and the texts.
func itemBytes(dimension int) int64 {
	const rest = 56 // the directory, ends of texts and terms, postings, bounds
	return 4*int64(dimension) + rest
}

// wordBytes is the size of an item's codes in the portable kernel.
func wordBytes(dimension int) int64 { return int64(dimension) * 8 / 3 }

// Build returns the index. The Builder must not be used afterwards. Build returns
// ErrItem if an id was added twice.
func (b *Builder) Build() (*Index, error) {
	x := b.index
	n := len(b.available)
	norms := make([]float64, n)
	x.rows = make([]uint32, n)
	for i := range n {
		x.rows[i] = uint32(i)
		norms[i] = norm(x.vectors[i*x.dimension : (i+1)*x.dimension])
	}
	slices.SortFunc(x.rows, func(i, j uint32) int { return cmp.Or(cmp.Compare(norms[j], norms[i]), cmp.Compare(i, j)) })
	permute(x.vectors, x.dimension, x.rows)

	x.directory = newDirectory(n)
	x.available = newBitmap(n)
	for at, row := range x.rows {
		slot := x.directory.find(x.ids.get(row), x.id)
		if *slot != 0 {
			return nil, fmt.Errorf("%w: two items have the id %q", ErrItem, x.ids.get(row))
		}
		*slot = uint32(at) + 1
		x.available.set(uint32(at), b.available[row])
	}
	x.byCategory, x.byTag = x.categories.postings(x.rows), x.tags.postings(x.rows)
	x.encode(newKernel(blocksOf(n), x.dimension))
	return x, nil
}

// encode stores the codes of the vectors in a kernel.
func (x *Index) encode(k kernel) {
	codes := make([][]int8, blockItems)
	for i := range codes {
		codes[i] = make([]int8, x.dimension)
	}
	vectors := make([][]float32, 0, blockItems)
	x.bounds = make([]bounds, blocksOf(len(x.rows)))
	for block := range x.bounds {
		first := block * blockItems
		vectors = vectors[:0]
		for at := first; at < min(first+blockItems, len(x.rows)); at++ {
			vectors = append(vectors, x.vector(uint32(at)))
		}
		for _, c := range codes[len(vectors):] {
			clear(c)
		}
		x.bounds[block] = encode(codes, vectors)
		k.put(block, codes)
	}
	x.kernel = k
}

// permute moves row order[i] to place i, in place.
func permute(rows []float32, width int, order []uint32) {
	placed := make([]bool, len(order))
	kept := make([]float32, width)
	row := func(i uint32) []float32 { return rows[int(i)*width : (int(i)+1)*width] }
	for first := range order {
		if placed[first] {
			continue
		}
		copy(kept, row(uint32(first)))
		for at := uint32(first); ; at = order[at] {
			placed[at] = true
			if from := order[at]; int(from) != first {
				copy(row(at), row(from))
				continue
			}
			copy(row(at), kept)
			break
		}
	}
}

func finite(v []float32) bool {
	return !slices.ContainsFunc(v, func(x float32) bool {
		return math.IsNaN(float64(x)) || math.IsInf(float64(x), 0)
	})
}
