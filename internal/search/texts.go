package search

import (
	"errors"
	"hash/maphash"
	"math"
	"strings"
)

// texts stores many strings in one allocation, which the garbage collector does
// not scan.
type texts struct {
	building strings.Builder
	all      string
	ends     []uint32
}

var errTexts = errors.New("the ids or the titles of the items exceed 4 GiB")

func (t *texts) add(s string) error {
	if int64(t.building.Len())+int64(len(s)) > math.MaxUint32 {
		return errTexts
	}
	t.building.WriteString(s)
	t.all = t.building.String()
	t.ends = append(t.ends, uint32(len(t.all)))
	return nil
}

func (t *texts) get(i uint32) string {
	if i == 0 {
		return t.all[:t.ends[0]]
	}
	return t.all[t.ends[i-1]:t.ends[i]]
}

func (t *texts) bytes() int64 { return int64(t.building.Cap() + 4*cap(t.ends)) }

// terms numbers the distinct values of a metadata field, and stores the numbers of
// each item's values.
type terms struct {
	names   []string
	numbers map[string]uint32
	ends    []uint32 // end of each item's numbers in of
	of      []uint32
	size    int64 // approximate size of the values and their postings, in bytes
}

func (t *terms) add(values ...string) {
	for _, v := range values {
		number, known := t.numbers[v]
		if !known {
			v = strings.Clone(v)
			number = uint32(len(t.names))
			t.names = append(t.names, v)
			t.numbers[v] = number
			t.size += int64(len(v)) + 136 // in names and in numbers, and a posting
		}
		t.of = append(t.of, number)
		t.size += 8 // in of, and in a posting
	}
	t.ends = append(t.ends, uint32(len(t.of)))
}

// get returns the numbers of item i's values.
func (t *terms) get(i uint32) []uint32 {
	if i == 0 {
		return t.of[:t.ends[0]]
	}
	return t.of[t.ends[i-1]:t.ends[i]]
}

// postings returns the positions of the items with each value.
func (t *terms) postings(rows []uint32) []posting {
	lists := make([][]uint32, len(t.names))
	for at, row := range rows {
		for _, number := range t.get(row) {
			if list := lists[number]; len(list) == 0 || list[len(list)-1] != uint32(at) { // an item may repeat a tag
				lists[number] = append(list, uint32(at))
			}
		}
	}
	out := make([]posting, len(lists))
	for i, list := range lists {
		out[i] = newPosting(list, len(rows))
	}
	return out
}

func (t *terms) bytes() int64 {
	size := int64(4 * (cap(t.ends) + cap(t.of)))
	for _, name := range t.names {
		size += int64(len(name)) + 64 // in names and in numbers
	}
	return size
}

// directory maps the id of an item to its position: a hash table with linear
// probing that stores only positions.
type directory struct {
	seed  maphash.Seed
	slots []uint32 // position + 1; 0: empty
}

func newDirectory(items int) directory {
	size := 4
	for size < 2*items {
		size *= 2
	}
	return directory{seed: maphash.MakeSeed(), slots: make([]uint32, size)}
}

// find returns the slot of an id, or the empty slot where it would be stored.
func (d *directory) find(id string, idAt func(position uint32) string) *uint32 {
	last := uint64(len(d.slots) - 1)
	for i := maphash.String(d.seed, id) & last; ; i = (i + 1) & last {
		if slot := &d.slots[i]; *slot == 0 || idAt(*slot-1) == id {
			return slot
		}
	}
}
