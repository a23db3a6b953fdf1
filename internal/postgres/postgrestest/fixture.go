package postgrestest

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

// Fixture configures a small version: groups of items, and users who like two
// groups, whose vectors are the exact fold-in of their histories. The zero
// value passes every gate.
type Fixture struct {
	RunID        string  // default "run-1"
	Items        int     // default 400
	Users        int     // default 600
	Dimension    int     // default 16
	HoldoutShare float64 // of the users; default 0.4
	Seed         uint64
	Interest     recsys.Interest // default recsys.DefaultInterest()
	Search       recsys.Search   // default exact
	Coverage     recsys.Coverage // default: everything until 2025-01-01

	// Change is called with the generated data before the manifest is made, so
	// the manifest describes the changed data.
	Change func(*Data)

	// ChangeManifest is called before the version is created, so the manifest
	// differs from the data.
	ChangeManifest func(*recsys.Manifest)

	// Loading leaves the version loading with its indexes built, the state that
	// gates expect. Otherwise it is marked ready.
	Loading bool
}

// Data is the data from which a version is loaded.
type Data struct {
	Items   []ItemRow
	Users   []recsys.User
	Holdout []HoldoutRow
}

// ItemRow is an item, its vector and its popularity.
type ItemRow struct {
	recsys.Item
	Vector     []float32
	Popularity float64
}

// HoldoutRow is an event of a hold-out user.
type HoldoutRow struct {
	recsys.Event
	Answer bool
}

const groups = 8

func (f Fixture) withDefaults() Fixture {
	f.RunID = cmp.Or(f.RunID, "run-1")
	f.Items = cmp.Or(f.Items, 400)
	f.Users = cmp.Or(f.Users, 600)
	f.Dimension = cmp.Or(f.Dimension, 16)
	f.HoldoutShare = cmp.Or(f.HoldoutShare, 0.4)
	f.Search.Method = cmp.Or(f.Search.Method, recsys.Exact)
	if f.Interest.Weights == nil {
		f.Interest = recsys.DefaultInterest()
	}
	if f.Coverage.To.IsZero() {
		end := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
		f.Coverage = recsys.Coverage{To: end, StoredTo: end.Add(time.Hour)}
	}
	return f
}

// Load generates and loads a version. It has no indexes and is loading.
func Load(t testing.TB, s *Store, f Fixture) recsys.Version {
	t.Helper()
	f = f.withDefaults()
	m, data := f.generate(t)
	v, err := s.CreateVersion(t.Context(), versions.NewVersion{
		Manifest: m, Search: f.Search, Owner: versions.Owner{WorkflowID: "fixture", RunID: f.RunID},
	})
	if err != nil {
		t.Fatal(err)
	}
	load(t, s, v, data)
	return v
}

// Build generates, loads and indexes a version.
func Build(t testing.TB, s *Store, f Fixture) recsys.Version {
	t.Helper()
	v := Load(t, s, f)
	claim, err := s.Claim(t.Context(), v.ID, versions.IndexSlot)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.BuildIndexes(t.Context(), claim, nil); err != nil {
		t.Fatal(err)
	}
	if !f.Loading {
		if err := s.MarkReady(t.Context(), v.ID, nil); err != nil {
			t.Fatal(err)
		}
	}
	v, err = s.Version(t.Context(), v.ID)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Promote promotes a version.
func Promote(t testing.TB, s *Store, version int64) recsys.Live {
	t.Helper()
	live, err := s.Promote(t.Context(), versions.Promotion{Version: version, Actor: "test", Reason: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return live
}

// Manifest generates the manifest of a fixture without loading it.
func Manifest(t testing.TB, f Fixture) *recsys.Manifest {
	t.Helper()
	m, _ := f.withDefaults().generate(t)
	return m
}

func (f Fixture) generate(t testing.TB) (*recsys.Manifest, *Data) {
	t.Helper()
	r := rand.New(rand.NewPCG(f.Seed, 42))
	data := &Data{Items: f.items(r)}
	fold := recsys.FoldIn{Dimension: f.Dimension, Gram: gram(data.Items, f.Dimension), Alpha: 5, Regularization: 0.1, Exponent: 1, MeanItems: 1}
	bound := recsys.HoldoutBound(fmt.Sprintf("%016x", uint64(f.HoldoutShare*math.MaxUint64)))
	f.addUsers(t, r, data, fold, bound)
	if f.Change != nil {
		f.Change(data)
	}
	m := f.manifest(data, fold, bound)
	if f.ChangeManifest != nil {
		f.ChangeManifest(m)
	}
	return m, data
}

// items generates groups of very different sizes: each is half as large as the
// previous one.
func (f Fixture) items(r *rand.Rand) []ItemRow {
	centers := make([][]float64, groups)
	for g := range centers {
		centers[g] = make([]float64, f.Dimension)
		for j := range centers[g] {
			centers[g][j] = r.NormFloat64()
		}
	}
	items := make([]ItemRow, f.Items)
	for i := range items {
		g := min(int(-math.Log2(1-r.Float64()*0.998)), groups-1)
		item := ItemRow{
			Item: recsys.Item{
				ItemID: fmt.Sprintf("i%06d", i), Title: fmt.Sprintf("Item %d", i),
				Category: fmt.Sprintf("c%d", g), Available: i%29 != 0,
			},
			Vector: make([]float32, f.Dimension),
		}
		if i%2 == 0 {
			item.Tags = append(item.Tags, "even")
		}
		if i%50 == 7 {
			item.Tags = append(item.Tags, "rare")
		}
		for j := range item.Vector {
			item.Vector[j] = float32((centers[g][j] + 0.7*r.NormFloat64()) / math.Sqrt(float64(f.Dimension)))
		}
		items[i] = item
	}
	return items
}

// addUsers generates for every user events on items of two groups, and folds
// them in.
func (f Fixture) addUsers(t testing.TB, r *rand.Rand, data *Data, fold recsys.FoldIn, bound recsys.HoldoutBound) {
	t.Helper()
	byGroup := map[string][]int{}
	for i, item := range data.Items {
		byGroup[item.Category] = append(byGroup[item.Category], i)
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range byGroup {
			if !yield(name) {
				return
			}
		}
	})
	index := make(map[string]int, len(data.Items))
	for i, item := range data.Items {
		index[item.ItemID] = i
	}
	for n := range f.Users {
		id := fmt.Sprintf("u%05d", n)
		liked := [2][]int{byGroup[names[r.IntN(len(names))]], byGroup[names[r.IntN(len(names))]]}
		events := f.events(r, id, liked, data.Items)
		history := f.Interest.Extend(recsys.History{}, events)
		user := recsys.User{ID: id, History: history}
		if !history.Empty() {
			user.Vector = foldIn(t, fold, history, data.Items, index)
		}
		for _, item := range history.Items {
			data.Items[index[item]].Popularity++
		}
		data.Users = append(data.Users, user)
		if bound.Contains(id) {
			data.Holdout = append(data.Holdout, split(f.Interest, events)...)
		}
	}
}

// events generates events on 10 distinct items in random order, one of them
// with a rating too low to count.
func (f Fixture) events(r *rand.Rand, user string, liked [2][]int, items []ItemRow) []recsys.Event {
	var events []recsys.Event
	seen := map[int]bool{}
	for n := 0; n < 40 && len(events) < 10; n++ {
		group := liked[n%2]
		i := group[r.IntN(len(group))]
		if seen[i] {
			continue
		}
		seen[i] = true
		kind := []string{recsys.Click, recsys.View, recsys.Purchase, recsys.AddToCart}[r.IntN(4)]
		var stars *float64
		if len(events) == 3 {
			low := 1.0
			kind, stars = recsys.Rating, &low
		}
		events = append(events, recsys.Event{
			EventID: fmt.Sprintf("%s-%d", user, n), UserID: user, ItemID: items[i].ItemID, EventType: kind, Value: stars,
			OccurredAt: f.Coverage.To.Add(-time.Duration(1000-n) * time.Hour),
		})
	}
	return events
}

// split makes the last fifth of the counting events the answers.
func split(in recsys.Interest, events []recsys.Event) []HoldoutRow {
	var counting int
	for _, e := range events {
		if in.Weight(e.EventType, e.Value) > 0 {
			counting++
		}
	}
	if counting < 2 {
		return nil
	}
	history := counting - max(counting/5, 1)
	rows := make([]HoldoutRow, 0, len(events))
	for _, e := range events {
		counts := in.Weight(e.EventType, e.Value) > 0
		switch {
		case counts && history > 0:
			history--
			rows = append(rows, HoldoutRow{Event: e})
		case counts:
			rows = append(rows, HoldoutRow{Event: e, Answer: true})
		case history > 0:
			rows = append(rows, HoldoutRow{Event: e})
		}
	}
	return rows
}

func foldIn(t testing.TB, fold recsys.FoldIn, h recsys.History, items []ItemRow, index map[string]int) []float32 {
	t.Helper()
	vectors := make([][]float32, len(h.Items))
	for i, id := range h.Items {
		vectors[i] = items[index[id]].Vector
	}
	v, err := fold.Vector(vectors, h.Weights)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func gram(items []ItemRow, k int) []float64 {
	g := make([]float64, k*k)
	for _, item := range items {
		for a, x := range item.Vector {
			for b, y := range item.Vector {
				g[a*k+b] += float64(x) * float64(y)
			}
		}
	}
	return g
}
