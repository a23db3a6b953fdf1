package recsys

import (
	"cmp"
	"slices"
)

// Hit is an item found, with its score (from Popular, its popularity).
type Hit struct {
	Item
	Score float64
}

// Query asks for the K best items.
type Query struct {
	Vector   []float32
	K        int
	Exclude  []string // item ids
	Category string   // "" for any
	Tags     []string // an item must have all of them
	Exact    bool     // compare with every eligible item, without the index
}

// Spare is how many candidates a search takes beyond those asked for. Which are
// the nearest it sees in float32, whose last digits depend on the order in which
// a processor adds; Score, which does not, ranks the candidates. Where
// scores differ at all, more than this many of them would have to be equal in
// float32 for the list to depend on who searches.
const Spare = 16

// Best is the k hits with the highest scores, best first, ties by item id. It
// reorders hits.
func Best(hits []Hit, k int) []Hit {
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ItemID, b.ItemID))
	})
	return hits[:min(k, len(hits))]
}
