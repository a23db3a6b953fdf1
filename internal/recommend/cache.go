package recommend

import "sync/atomic"

// cacheBytes bounds the item vectors that are kept for the next call: 128 MiB.
const cacheBytes = 128 << 20

// itemCost is what an entry of the cache costs beside its id and its vector.
const itemCost = 112

// itemCache keeps item vectors of one version within a bound. What is asked for
// in one round stays until the next; beyond the bound the others leave in the
// random order of a map, so that what is used again and again survives a scan.
//
// An entry without a vector says that the version has no such item.
type itemCache struct {
	dimension int
	limit     int // of size, in bytes; what one round needs may exceed it
	size      int
	round     uint64
	used      int // bytes that this round asked for, here or missing
	entries   map[string]*cachedItem

	hits, misses atomic.Int64 // of asked ids
}

type cachedItem struct {
	vector []float32
	round  uint64 // that asked for it last
}

func newItemCache(dimension, limit int) *itemCache {
	return &itemCache{dimension: dimension, limit: limit, entries: make(map[string]*cachedItem)}
}

// begin starts a round: from now on anything not asked for again may leave.
func (c *itemCache) begin() {
	c.round++
	c.used = 0
}

// ask keeps an item for this round if it is there, and reports that it is.
func (c *itemCache) ask(id string) bool {
	e, there := c.entries[id]
	if !there {
		c.misses.Add(1)
		c.used += entrySize(id, c.dimension)
		return false
	}
	c.hits.Add(1)
	if e.round != c.round {
		e.round = c.round
		c.used += entrySize(id, len(e.vector))
	}
	return true
}

// full reports whether this round has asked for as much as the cache may hold.
func (c *itemCache) full() bool { return c.used > c.limit }

// put adds what was read: every id, of which some have no vector.
func (c *itemCache) put(ids []string, vectors map[string][]float32) {
	for _, id := range ids {
		e := &cachedItem{vector: vectors[id], round: c.round}
		c.entries[id] = e
		c.size += entrySize(id, len(e.vector))
	}
	if c.size <= c.limit {
		return
	}
	for id, e := range c.entries {
		if e.round == c.round {
			continue
		}
		delete(c.entries, id)
		if c.size -= entrySize(id, len(e.vector)); c.size <= c.limit {
			return
		}
	}
}

// clear forgets everything but how it was used.
func (c *itemCache) clear() { c.entries, c.size = map[string]*cachedItem{}, 0 }

// vector is the item's vector, nil when the version has none. It does not
// change the cache and is safe beside itself.
func (c *itemCache) vector(id string) []float32 {
	if e := c.entries[id]; e != nil {
		return e.vector
	}
	return nil
}

func entrySize(id string, dimension int) int { return len(id) + 4*dimension + itemCost }
