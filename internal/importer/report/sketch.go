package report

import (
	"cmp"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// sketch counts distinct keys in bounded memory. It keeps the keys whose hash is
// at most a bound, and halves the bound when there are too many; this is the
// adaptive sampling of Flajolet (Computing 43, 1990). Counts are exact until
// the first halving, and estimates with a standard error of about
// 1.2/√limit after it.
type sketch[E any] struct {
	limit   int
	level   int // number of halvings
	bound   uint64
	index   map[uint64]int32 // hash to entry
	entries []entry[E]
}

type entry[E any] struct {
	hash  uint64
	value E
}

func newSketch[E any](limit int) sketch[E] {
	return sketch[E]{limit: limit, bound: math.MaxUint64, index: map[uint64]int32{}}
}

// at returns the entry of a key, or nil if it is not in the sample.
func (s *sketch[E]) at(hash uint64) *E {
	if hash > s.bound {
		return nil
	}
	i, found := s.index[hash]
	if !found {
		if len(s.entries) == s.limit {
			s.halve()
			if hash > s.bound {
				return nil
			}
		}
		i = int32(len(s.entries))
		s.entries = append(s.entries, entry[E]{hash: hash})
		s.index[hash] = i
	}
	return &s.entries[i].value
}

func (s *sketch[E]) halve() {
	for len(s.entries) == s.limit {
		s.level++
		s.bound >>= 1
		s.entries = slices.DeleteFunc(s.entries, func(e entry[E]) bool { return e.hash > s.bound })
		clear(s.index)
		for i, e := range s.entries {
			s.index[e.hash] = int32(i)
		}
	}
}

// estimate scales a count over the sample to all keys.
func (s *sketch[E]) estimate(n int64) int64 { return n << s.level }

// distinct returns the number of distinct keys.
func (s *sketch[E]) distinct() int64 { return s.estimate(int64(len(s.entries))) }

// sum adds up a function over the sample and scales it to all keys.
func (s *sketch[E]) sum(of func(*E) int64) int64 {
	var n int64
	for i := range s.entries {
		n += of(&s.entries[i].value)
	}
	return s.estimate(n)
}

// smallest returns the n entries with the smallest hashes, in order.
func (s *sketch[E]) smallest(n int) []entry[E] {
	all := slices.Clone(s.entries)
	slices.SortFunc(all, func(a, b entry[E]) int { return cmp.Compare(a.hash, b.hash) })
	return all[:min(n, len(all))]
}

// hashID returns the hash of an id without leading zeros, if it has digits only,
// and the form in which it is written: padded is true with a leading zero.
func hashID(id string) (hash uint64, padded bool) {
	if id == "" || id[0] != '0' {
		return xxhash.Sum64String(id), false
	}
	i := 0
	for i < len(id)-1 && id[i] == '0' {
		i++
	}
	for j := i; j < len(id); j++ {
		if id[j] < '0' || id[j] > '9' {
			return xxhash.Sum64String(id), false
		}
	}
	return xxhash.Sum64String(id[i:]), i > 0
}
