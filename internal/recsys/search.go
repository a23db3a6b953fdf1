package recsys

import (
	"cmp"
	"slices"
)

// Hit is an item that was found, with its score (from Popular, its popularity).
type Hit struct {
	Item
	Score float64
}

// Query is a search for the K best items.
type Query struct {
	Vector   []float32
	K        int
	Exclude  []string // item ids
	Category string   // "" for any
	Tags     []string // an item must have all of them
	Exact    bool     // compare with every eligible item, without the index
	Beta     float64  // one of Betas: items are ranked by SimilarScore; 0: by Score
}

// Spare is the number of additional candidates of a search. A search selects
// candidates in float32, where the last digits depend on the order of additions
// of a processor; Score, which does not, ranks the candidates. Only if more
// than this many candidates are equal in float32 can the list depend on the
// machine that searches.
const Spare = 16

// Best returns the k hits with the highest scores, in descending order, ties by
// item id. It reorders hits.
func Best(hits []Hit, k int) []Hit {
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ItemID, b.ItemID))
	})
	return hits[:min(k, len(hits))]
}
