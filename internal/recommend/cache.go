package recommend

import "sync/atomic"

// cacheBytes limits the cached item vectors: 128 MiB.
const cacheBytes = 128 << 20

// entryOverhead is the size of a cache entry without its id and its vector, in
// bytes.
const entryOverhead = 112

// itemCache caches item vectors of one version. The items touched in a round are
// not evicted during that round. Beyond the limit, other items are evicted in the
// random order of a map, so frequently used items survive a scan of many others.
//
// An entry without a vector means that the version does not contain the item.
type itemCache struct {
	dimension int
	limit     int // of size, in bytes; the items of one round may exceed it
	size      int
	round     uint64
	used      int // bytes of the items touched in this round, cached or missing
	entries   map[string]*cachedItem

	hits, misses atomic.Int64 // of touch
}

type cachedItem struct {
	vector []float32
	round  uint64 // that touched it last
}

func newItemCache(dimension, limit int) *itemCache {
	return &itemCache{dimension: dimension, limit: limit, entries: make(map[string]*cachedItem)}
}

// startRound starts a round: items that it does not touch may be evicted.
func (c *itemCache) startRound() {
	c.round++
	c.used = 0
}

// touch marks an item as used in this round and reports whether it is cached.
func (c *itemCache) touch(id string) bool {
	e, cached := c.entries[id]
	if !cached {
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

// full reports whether the items touched in this round exceed the limit.
func (c *itemCache) full() bool { return c.used > c.limit }

// put caches the result of a read: all ids, some of which have no vector.
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

// clear evicts all items and keeps the counts of hits and misses.
func (c *itemCache) clear() { c.entries, c.size = map[string]*cachedItem{}, 0 }

// vector returns the vector of a cached item, or nil if the version does not
// contain the item. It does not change the cache and is safe for concurrent use.
func (c *itemCache) vector(id string) []float32 {
	if e := c.entries[id]; e != nil {
		return e.vector
	}
	return nil
}

func entrySize(id string, dimension int) int { return len(id) + 4*dimension + entryOverhead }
