package recsys_test

import (
	"fmt"

	"github.com/recflow/recflow/internal/recsys"
)

// A new user clicks one item. The version was trained without this user, but
// one click is enough to compute a vector and to score every other item with
// it.
func ExampleFoldIn() {
	catalog := map[string][]float32{
		"espresso":   {1.0, 0.1},
		"cappuccino": {0.9, 0.3},
		"green tea":  {0.1, 1.0},
	}

	// The Gram matrix is the sum of v·vᵀ over every item of the catalog.
	// Training writes it to the manifest, so that readers need not read the
	// whole catalog.
	const k = 2
	gram := make([]float64, k*k)
	for _, v := range catalog {
		for i := range k {
			for j := range k {
				gram[i*k+j] += float64(v[i]) * float64(v[j])
			}
		}
	}

	fold := recsys.FoldIn{Dimension: k, Gram: gram, Alpha: 5, Regularization: 0.1, Exponent: 1, MeanItems: 1}
	clicked := [][]float32{catalog["espresso"]}
	user, err := fold.Vector(clicked, []float32{1}) // one click has weight 1
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, item := range []string{"cappuccino", "green tea"} {
		fmt.Printf("%s: %.2f\n", item, recsys.Score(user, catalog[item]))
	}
	// Output:
	// cappuccino: 0.74
	// green tea: -0.13
}
