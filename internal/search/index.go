package search

import "github.com/recflow/recflow/internal/recsys"

// Index is an index of the items of one version. An item has a row, by the order
// in which it was added, and a position, by the order of the norms. An Index never
// changes and is safe for concurrent use.
type Index struct {
	dimension int
	rows      []uint32  // by position
	vectors   []float32 // by position
	bounds    []bounds  // by block
	kernel    kernel    // by block

	ids, titles      texts // by row
	categories, tags terms // by row
	directory        directory

	byCategory, byTag []posting // by the numbers of categories and tags
	available         bitmap
}

// Len returns the number of items.
func (x *Index) Len() int { return len(x.rows) }

// Bytes returns the size of the index.
func (x *Index) Bytes() int64 {
	size := int64(4*len(x.rows)+4*cap(x.vectors)+40*len(x.bounds)+4*len(x.directory.slots)+len(x.available)) +
		x.kernel.bytes() + x.ids.bytes() + x.titles.bytes() + x.categories.bytes() + x.tags.bytes()
	for _, postings := range [][]posting{x.byCategory, x.byTag} {
		for _, p := range postings {
			size += p.bytes()
		}
	}
	return size
}

// Vector returns an item's vector, which must not be changed, or nil if the item
// does not exist.
func (x *Index) Vector(id string) []float32 {
	at, known := x.position(id)
	if !known {
		return nil
	}
	return x.vector(at)
}

func (x *Index) position(id string) (at uint32, known bool) {
	slot := *x.directory.find(id, x.id)
	return slot - 1, slot != 0
}

func (x *Index) id(at uint32) string { return x.ids.get(x.rows[at]) }

func (x *Index) vector(at uint32) []float32 {
	return x.vectors[int(at)*x.dimension : (int(at)+1)*x.dimension : (int(at)+1)*x.dimension]
}

// item returns an item without overrides.
func (x *Index) item(at uint32) recsys.Item {
	row := x.rows[at]
	item := recsys.Item{ItemID: x.ids.get(row), Title: x.titles.get(row), Available: x.available.has(at)}
	if c := x.categories.get(row); len(c) > 0 {
		item.Category = x.categories.names[c[0]]
	}
	if tags := x.tags.get(row); len(tags) > 0 {
		item.Tags = make([]string, len(tags))
		for i, number := range tags {
			item.Tags[i] = x.tags.names[number]
		}
	}
	return item
}
