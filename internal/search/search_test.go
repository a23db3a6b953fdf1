package search

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recflow/recflow/internal/recsys"
)

type fixtureItem struct {
	recsys.Item
	vector []float32
}

// drawVector draws a vector that is hard to rank: of any magnitude, zero, or equal
// or nearly equal to an earlier one.
func drawVector(r *rand.Rand, dimension int, before []fixtureItem) []float32 {
	v := make([]float32, dimension)
	scale := []float64{1, 1, 1, 1e-3, 1e-20, 1e-44, 1e37}[r.IntN(7)]
	for i := range v {
		v[i] = float32(r.NormFloat64() * scale)
	}
	if len(before) == 0 {
		return v
	}
	switch near := before[len(before)-1-r.IntN(min(len(before), 8))].vector; r.IntN(8) {
	case 0, 1:
		copy(v, near)
	case 2, 3:
		for i := range v {
			v[i] = near[i] * (1 + float32(r.IntN(3)-1)*0x1p-23)
		}
	case 4:
		clear(v)
	case 5: // one value determines the scale of a whole block
		clear(v)
		v[r.IntN(dimension)] = float32(scale)
	}
	return v
}

func drawTags(r *rand.Rand) []string {
	var tags []string
	for range r.IntN(4) {
		tags = append(tags, fmt.Sprintf("t%d", int(r.ExpFloat64()*4)))
	}
	return tags
}

func drawCategory(r *rand.Rand) string {
	if r.IntN(10) == 0 {
		return ""
	}
	return fmt.Sprintf("c%d", int(r.ExpFloat64()*4)) // from common to rare
}

func drawItems(r *rand.Rand, n, dimension int) []fixtureItem {
	items := make([]fixtureItem, 0, n)
	for i := range n {
		items = append(items, fixtureItem{
			recsys.Item{ItemID: fmt.Sprintf("i%d", i*7919%1009), Title: fmt.Sprint("Title ", i), Category: drawCategory(r), Tags: drawTags(r), Available: r.IntN(10) > 0},
			drawVector(r, dimension, items),
		})
	}
	return items
}

func drawOverrides(r *rand.Rand, items []fixtureItem) map[string]recsys.Override {
	out := map[string]recsys.Override{}
	for range r.IntN(1 + len(items)/4) {
		var o recsys.Override
		if r.IntN(2) == 0 {
			o.Available = new(r.IntN(2) == 0)
		}
		if r.IntN(2) == 0 {
			o.Title = new("Overridden")
		}
		if r.IntN(2) == 0 {
			o.Category = new(drawCategory(r))
		}
		if r.IntN(2) == 0 {
			o.Tags = append([]string{}, drawTags(r)...)
		}
		id := "unknown"
		if r.IntN(20) > 0 {
			id = items[r.IntN(len(items))].ItemID
		}
		out[id] = o
	}
	return out
}

func drawBeta(r *rand.Rand) float64 {
	betas := recsys.Betas()
	return betas[r.IntN(len(betas))]
}

func drawQuery(r *rand.Rand, items []fixtureItem, dimension int) recsys.Query {
	q := recsys.Query{Vector: drawVector(r, dimension, items), K: []int{1, 5, 20, 100, 1000}[r.IntN(5)]}
	if r.IntN(2) == 0 {
		q.Beta = drawBeta(r)
	}
	if r.IntN(3) == 0 {
		q.Category = drawCategory(r)
	}
	if r.IntN(3) == 0 {
		q.Tags = drawTags(r)
	}
	for range r.IntN(60) {
		id := "unknown"
		if r.IntN(20) > 0 && len(items) > 0 {
			id = items[r.IntN(len(items))].ItemID
		}
		q.Exclude = append(q.Exclude, id)
	}
	return q
}

func build(t require.TestingT, items []fixtureItem, dimension int) *Index {
	b := NewBuilder(dimension, int64(len(items)))
	for _, i := range items {
		require.NoError(t, b.Add(i.Item, i.vector))
	}
	x, err := b.Build()
	require.NoError(t, err)
	return x
}

// bruteForce returns the result that Search must return.
func bruteForce(items []fixtureItem, overrides map[string]recsys.Override, q recsys.Query) []recsys.Hit {
	hits := []recsys.Hit{}
	for _, i := range items {
		now := overrides[i.ItemID].Apply(i.Item)
		lacks := slices.ContainsFunc(q.Tags, func(tag string) bool { return !slices.Contains(now.Tags, tag) })
		if now.Available && (q.Category == "" || now.Category == q.Category) && !lacks && !slices.Contains(q.Exclude, i.ItemID) {
			hits = append(hits, recsys.Hit{Item: now, Score: recsys.SimilarScore(q.Vector, i.vector, q.Beta)})
		}
	}
	return recsys.Best(hits, q.K)
}

// kernels returns the kernels of this machine, including the portable one.
func kernels() map[string]func(blocks, dimension int) kernel {
	return map[string]func(blocks, dimension int) kernel{"portable": newWordKernel, fmt.Sprintf("%T", newKernel(1, 1)): newKernel}
}

func TestSearch_matches_brute_force(t *testing.T) {
	for name, newKernel := range kernels() {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
			dimension := rapid.SampledFrom([]int{1, 3, 8, 16, 31, 64, 65, 128, 256, 512}).Draw(t, "dimension")
			items := drawItems(r, rapid.IntRange(1, 700).Draw(t, "items"), dimension)
			overrides := drawOverrides(r, items)
			x := build(t, items, dimension)
			x.encode(newKernel(blocksOf(len(items)), dimension))
			v := x.View().With(overrides)
			for range 8 {
				if r.IntN(3) == 0 { // replaces overrides, and removes some
					before, change := v, drawOverrides(r, items)
					for id := range overrides {
						if r.IntN(4) == 0 {
							change[id] = recsys.Override{}
						}
					}
					q := drawQuery(r, items, dimension)
					want, err := before.Search(q)
					require.NoError(t, err)
					v = v.With(change)
					maps.Copy(overrides, change)
					got, err := before.Search(q)
					require.NoError(t, err)
					require.Equal(t, want, got, "a view never changes")
				}
				q := drawQuery(r, items, dimension)
				got, err := v.Search(q)
				require.NoError(t, err)
				require.Equal(t, bruteForce(items, overrides, q), got)
			}
			for _, i := range items[:min(20, len(items))] {
				require.Equal(t, i.vector, v.Vector(i.ItemID))
			}
		}))
	}
}

// TestSearch_breaks_ties_by_id has equal scores on both sides of the last place.
func TestSearch_breaks_ties_by_id(t *testing.T) {
	var items []fixtureItem
	for i := range 500 {
		vector := make([]float32, 8)
		vector[i%2] = 1
		items = append(items, fixtureItem{recsys.Item{ItemID: fmt.Sprintf("i%03d", 499-i), Available: true}, vector})
	}
	v := build(t, items, 8).View()
	for _, vector := range [][]float32{{1, 1, 0, 0, 0, 0, 0, 0}, {1, 0, 0, 0, 0, 0, 0, 0}, make([]float32, 8), {-1, -1, 0, 0, 0, 0, 0, 0}} {
		for _, beta := range recsys.Betas() {
			q := recsys.Query{Vector: vector, K: 20, Beta: beta}
			got, err := v.Search(q)
			require.NoError(t, err)
			require.Equal(t, bruteForce(items, nil, q), got)
		}
	}
}

func TestKernels_compute_equal_products(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		dimension, blocks := rapid.IntRange(1, 600).Draw(t, "dimension"), rapid.IntRange(1, 20).Draw(t, "blocks")
		extreme := rapid.Bool().Draw(t, "extreme")
		code := func() int8 {
			if extreme {
				return int8(maxCode * (r.IntN(2)*2 - 1))
			}
			return int8(r.IntN(2*maxCode+1) - maxCode)
		}
		row := func() []int8 {
			out := make([]int8, dimension)
			for i := range out {
				out[i] = code()
			}
			return out
		}
		portable, native := newWordKernel(blocks, dimension), newKernel(blocks, dimension)
		items := make([][]int8, 0, blocks*blockItems)
		for b := range blocks {
			for range blockItems {
				items = append(items, row())
			}
			portable.put(b, items[b*blockItems:])
			native.put(b, items[b*blockItems:])
		}
		query := row()
		if extreme && r.IntN(2) == 0 {
			query = items[r.IntN(len(items))]
		}
		from := r.IntN(blocks)
		n := 1 + r.IntN(min(runBlocks, blocks-from))
		var want, got marks
		for i := range n {
			want.floors[i] = []int32{math.MinInt32, 0, int32(r.IntN(1000)), math.MaxInt32}[r.IntN(4)]
		}
		got.floors = want.floors
		portable.scan(portable.query(query), from, n, &want)
		native.scan(native.query(query), from, n, &got)
		require.Equal(t, want, got)
		for i := range n * blockItems {
			sum := int32(0)
			for j, c := range items[from*blockItems+i] {
				sum += int32(c) * int32(query[j])
			}
			require.Equal(t, sum, want.scores[i])
			require.Equal(t, sum >= want.floors[i/blockItems], want.masks[i/blockItems]&(1<<(i%blockItems)) != 0)
		}
		g, ok := native.(gatherer)
		if !ok {
			return
		}
		positions, scores := make([]uint32, 8*(1+r.IntN(4))), make([]int32, 32)
		for i := range positions {
			positions[i] = uint32(r.IntN(len(items)))
		}
		g.gather(native.query(query), positions, scores)
		for i, at := range positions {
			sum := int32(0)
			for j, c := range items[at] {
				sum += int32(c) * int32(query[j])
			}
			require.Equal(t, sum, scores[i])
		}
	})
}

// TestScan_never_skips_an_item_at_the_threshold scans for each item with the
// item's own score as the threshold.
func TestScan_never_skips_an_item_at_the_threshold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		dimension := rapid.IntRange(1, 512).Draw(t, "dimension")
		items := drawItems(r, blockItems, dimension)
		codes, vectors := make([][]int8, blockItems), make([][]float32, blockItems)
		for i := range items {
			codes[i], vectors[i] = make([]int8, dimension), items[i].vector
		}
		b := encode(codes, vectors)
		q := prepare(drawVector(r, dimension, items), drawBeta(r))
		for i, v := range vectors {
			score, sum := recsys.Score(q.vector, v), int32(0)
			for j, c := range codes[i] {
				sum += int32(c) * int32(q.codes[j])
			}
			threshold := recsys.SimilarScore(q.vector, v, q.beta)
			power := q.power(&b)
			product := q.product(&b, power, threshold)
			require.LessOrEqual(t, product, score)
			require.GreaterOrEqual(t, sum, q.floor(&b, product))
			require.GreaterOrEqual(t, q.upper(&b, sum), product)
			require.True(t, q.mayReach(&b, power, threshold))
			require.True(t, q.reaches(v, b.norm, product))
			if product := norm(v) * q.norm; product <= maxFloat32 {
				require.InDelta(t, score, float64(dot(v, q.vector)), float64(dimension+16)*0x1p-22*product+0x1p-130)
			}
		}
	})
}

// TestView_With_takes_the_same_time_with_many_overrides counts what a change of one
// item allocates.
func TestView_With_takes_the_same_time_with_many_overrides(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	items := make([]fixtureItem, 20_000)
	for i := range items {
		items[i] = fixtureItem{recsys.Item{ItemID: fmt.Sprint(i), Category: fmt.Sprint(i % 100), Available: true}, drawVector(r, 1, nil)}
	}
	use := func(overrides int) float64 {
		v, all := build(t, items, 1).View(), map[string]recsys.Override{}
		for i := range overrides {
			all[fmt.Sprint(i)] = recsys.Override{Category: new(fmt.Sprint("new ", i%1000)), Tags: []string{fmt.Sprint(i)}}
		}
		v = v.With(all)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for i := range 100 {
			v = v.With(map[string]recsys.Override{fmt.Sprint(i): {Available: new(i%2 == 0), Category: new("moved")}})
		}
		runtime.ReadMemStats(&after)
		return float64(after.TotalAlloc-before.TotalAlloc) / 100
	}
	few, many := use(10), use(20_000)
	assert.InEpsilon(t, few, many, 0.3)
	t.Logf("bytes with 10 overrides %.0f, with 20,000 %.0f", few, many)
}

func TestSearch_rejects_invalid_queries(t *testing.T) {
	v := build(t, drawItems(rand.New(rand.NewPCG(1, 1)), 10, 4), 4).View()
	for _, vector := range [][]float32{nil, {1, 2, 3}, {1, 2, 3, float32(math.NaN())}, {float32(math.Inf(1)), 0, 0, 0}} {
		_, err := v.Search(recsys.Query{Vector: vector, K: 3})
		assert.Error(t, err)
	}
}

func TestBuilder_rejects_invalid_items(t *testing.T) {
	b := NewBuilder(2, 0)
	require.ErrorIs(t, b.Add(recsys.Item{ItemID: "a"}, []float32{1}), ErrItem)
	require.ErrorIs(t, b.Add(recsys.Item{ItemID: "a"}, []float32{1, float32(math.Inf(-1))}), ErrItem)
	require.NoError(t, b.Add(recsys.Item{ItemID: "a"}, []float32{1, 2}))
	require.NoError(t, b.Add(recsys.Item{ItemID: "a"}, []float32{3, 4}))
	_, err := b.Build()
	require.ErrorIs(t, err, ErrItem)

	x, err := NewBuilder(2, 0).Build()
	require.NoError(t, err)
	require.Nil(t, x.Vector("a"))
	hits, err := x.View().Search(recsys.Query{Vector: []float32{1, 2}, K: 3})
	require.NoError(t, err)
	require.Empty(t, hits)
}

// TestSearch_allocates_in_proportion_to_its_result compares a catalog with one
// that is 50 times as large.
func TestSearch_allocates_in_proportion_to_its_result(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	use := func(n int) (allocations, bytes float64) {
		var items []fixtureItem
		for i := range n {
			category := "common"
			if i%50 == 0 {
				category = "rare"
			}
			items = append(items, fixtureItem{recsys.Item{ItemID: fmt.Sprint(i), Category: category, Available: true}, drawVector(r, 16, nil)})
		}
		v := build(t, items, 16).View()
		search := func() {
			for _, category := range []string{"", "common", "rare"} {
				q := recsys.Query{Vector: items[0].vector, K: 10, Category: category, Exclude: []string{"1", "2"}}
				_, err := v.Search(q)
				require.NoError(t, err)
			}
		}
		const times = 20
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range times {
			search()
		}
		runtime.ReadMemStats(&after)
		return testing.AllocsPerRun(times, search), float64(after.TotalAlloc-before.TotalAlloc) / times
	}
	allocations, bytes := use(1000)
	manyAllocations, manyBytes := use(50_000)
	assert.InDelta(t, allocations, manyAllocations, 1)
	assert.InDelta(t, bytes, manyBytes, 1000)
	t.Logf("%.0f allocations, %.0f bytes", allocations, bytes)
}

func TestBytes_estimates_the_size_of_an_index(t *testing.T) {
	items := drawItems(rand.New(rand.NewPCG(1, 1)), 1000, 64)
	b := NewBuilder(64, 1000)
	for _, i := range items {
		require.NoError(t, b.Add(i.Item, i.vector))
	}
	want := b.Bytes()
	x, err := b.Build()
	require.NoError(t, err)
	require.Equal(t, 1000, x.Len())
	assert.LessOrEqual(t, x.Bytes(), want)
	assert.LessOrEqual(t, want, MaxBytes(1000, 64))
	assert.Greater(t, x.Bytes(), want*3/4)
}

// BenchmarkView_With changes one item of 200,000, by the number of overrides.
func BenchmarkView_With(b *testing.B) {
	const items = 200_000
	builder := NewBuilder(1, items)
	for i := range items {
		require.NoError(b, builder.Add(recsys.Item{ItemID: fmt.Sprint(i), Category: fmt.Sprint(i % 100), Available: true}, []float32{1}))
	}
	x, err := builder.Build()
	require.NoError(b, err)
	for _, overrides := range []int{0, 1000, 100_000} {
		all := map[string]recsys.Override{}
		for i := range overrides {
			all[fmt.Sprint(i)] = recsys.Override{Available: new(false), Category: new(fmt.Sprint("new ", i%1000))}
		}
		v := x.View().With(all)
		for name, change := range map[string]recsys.Override{"title": {Title: new("A title")}, "everything": {Available: new(true), Category: new("moved"), Tags: []string{"tag"}}} {
			b.Run(fmt.Sprintf("%d overrides, %s", overrides, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					v.With(map[string]recsys.Override{"150000": change})
				}
			})
		}
	}
}
