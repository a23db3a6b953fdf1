package recommend_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// catalog is a Data in memory; recflow uses an *embeddings.Store. The embedded
// interface provides the methods that the example does not call.
type catalog struct {
	recommend.Data
	vectors map[string][]float32
}

// UserStates returns unknown users, without a trained vector or streamed events.
func (c catalog) UserStates(_ context.Context, _ recsys.Version, ids []string) ([]recsys.UserState, recsys.OverrideRevision, error) {
	states := make([]recsys.UserState, len(ids))
	for i, id := range ids {
		states[i].ID = id
	}
	return states, recsys.OverrideRevision{}, nil
}

func (c catalog) ItemVectors(_ context.Context, _ recsys.Version, ids []string) (map[string][]float32, error) {
	found := map[string][]float32{}
	for _, id := range ids {
		if v, ok := c.vectors[id]; ok {
			found[id] = v
		}
	}
	return found, nil
}

// NearestEach compares every item with every query.
func (c catalog) NearestEach(_ context.Context, _ recsys.Version, queries []recsys.Query, emit func(int, []recsys.Hit)) error {
	for i, q := range queries {
		var hits []recsys.Hit
		for id, v := range c.vectors {
			if !slices.Contains(q.Exclude, id) {
				hits = append(hits, recsys.Hit{Item: recsys.Item{ItemID: id, Available: true}, Score: recsys.Score(q.Vector, v)})
			}
		}
		slices.SortFunc(hits, func(a, b recsys.Hit) int { return cmp.Compare(b.Score, a.Score) })
		emit(i, hits[:min(q.K, len(hits))])
	}
	return nil
}

// An unknown visitor has just clicked an espresso. The click is folded in for this
// list only, and the clicked item is excluded from it.
func ExampleReader_Lists() {
	data := catalog{vectors: map[string][]float32{
		"espresso": {1.0, 0.1}, "cappuccino": {0.9, 0.3}, "green tea": {0.1, 1.0},
	}}

	// A training produces the version and its manifest; these fields are the ones
	// that a list needs.
	version := recsys.Version{ID: 7, Dimension: 2, Coverage: recsys.Coverage{To: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}}
	manifest := &recsys.Manifest{
		Dimension:  2,
		Gram:       []float64{1.82, 0.47, 0.47, 1.10}, // sum of v·vᵀ over the catalog, row by row
		Parameters: recsys.Parameters{Trainer: recsys.ALS, Rank: 2, Alpha: 5, Regularization: 0.1, RegularizationExponent: 1, MeanItems: 1},
		Interest:   recsys.DefaultInterest(),
	}

	reader := recommend.NewReader(data, version, manifest)
	lists, err := reader.Lists(context.Background(), recommend.Request{K: 2, Recent: []string{"espresso"}}, []string{"visitor"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("stage %s, version %d\n", lists[0].Stage, lists[0].Version)
	for _, item := range lists[0].Items {
		fmt.Printf("%d. %s (%.2f)\n", item.Rank, item.ItemID, item.Score)
	}
	// Output:
	// stage session, version 7
	// 1. cappuccino (0.74)
	// 2. green tea (-0.13)
}
