package recsys_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recflow/recflow/internal/recsys"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func at(offset time.Duration, id, item, kind string) recsys.Event {
	return recsys.Event{EventID: id, UserID: "u", ItemID: item, EventType: kind, OccurredAt: noon.Add(offset)}
}

func stars(e recsys.Event, v float64) recsys.Event {
	e.Value = &v
	return e
}

func TestExtend(t *testing.T) {
	in := recsys.DefaultInterest()
	in.HalfLifeSeconds = 0
	t.Run("it sums the weights of an item", func(t *testing.T) {
		h := in.Extend(recsys.History{}, []recsys.Event{
			at(0, "1", "a", recsys.View), at(time.Second, "2", "a", recsys.Purchase), at(2*time.Second, "3", "b", recsys.AddToCart),
		})
		assert.Equal(t, []string{"a", "b"}, h.Items)
		assert.Equal(t, []float32{6, 3}, h.Weights)
		assert.Equal(t, noon.Add(2*time.Second), h.Reference)
	})
	t.Run("it marks items without weight as seen, but not those of impressions", func(t *testing.T) {
		h := in.Extend(recsys.History{}, []recsys.Event{
			stars(at(0, "1", "disliked", recsys.Rating), 2), at(1, "2", "shown", recsys.Impression),
			at(2, "3", "odd", "zoomed"), at(3, "4", "unrated", recsys.Rating), stars(at(4, "5", "liked", recsys.Rating), 4),
		})
		assert.Equal(t, []string{"liked"}, h.Items)
		assert.Equal(t, []string{"disliked", "odd", "unrated"}, h.Seen)
	})
	t.Run("it halves an event at its half-life and drops it below the floor", func(t *testing.T) {
		in := in
		in.HalfLifeSeconds, in.Floor = 60, 0.3
		h := in.Extend(recsys.History{}, []recsys.Event{
			at(0, "1", "faded", recsys.View), at(time.Minute, "2", "half", recsys.View), at(2*time.Minute, "3", "new", recsys.View),
		})
		assert.Equal(t, []string{"half", "new"}, h.Items)
		assert.Equal(t, []float32{0.5, 1}, h.Weights)
		assert.Equal(t, []string{"faded"}, h.Seen)
	})
	t.Run("it decays a stored history when a newer event has weight", func(t *testing.T) {
		in := in
		in.HalfLifeSeconds = 60
		stored := recsys.History{Items: []string{"a"}, Weights: []float32{4}, Reference: noon, Seen: []string{"b"}}
		h := in.Extend(stored, []recsys.Event{at(time.Minute, "1", "b", recsys.Purchase)})
		assert.Equal(t, recsys.History{Items: []string{"a", "b"}, Weights: []float32{2, 5}, Reference: noon.Add(time.Minute)}, h)
		assert.Equal(t, []float32{4}, stored.Weights, "it does not change its argument")
	})
	t.Run("it ignores events without weight for the reference time", func(t *testing.T) {
		in := in
		in.HalfLifeSeconds = 1
		h := in.Extend(recsys.History{}, []recsys.Event{
			at(0, "1", "a", recsys.Click), at(24*time.Hour, "2", "a", "other"),
		})
		assert.Equal(t, []string{"a"}, h.Items)
		assert.Equal(t, noon, h.Reference)
	})
}

// userEvents generates events of one user: few items, few distinct times, and
// ids that occasionally collide, as from a careless producer.
func userEvents(t *rapid.T, ids int, returns bool) []recsys.Event {
	one := rapid.Custom(func(t *rapid.T) recsys.Event {
		e := at(time.Duration(rapid.IntRange(0, 500).Draw(t, "second"))*time.Second,
			rapid.StringMatching(`[a-z]{1,3}`).Filter(func(s string) bool { return len(s) <= ids }).Draw(t, "id"),
			rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "item"),
			rapid.SampledFrom([]string{recsys.Impression, recsys.View, recsys.Purchase, recsys.Rating, "other"}).Draw(t, "type"))
		if e.EventType == recsys.Rating {
			return stars(e, rapid.Float64Range(0, 5).Draw(t, "stars"))
		}
		if returns && rapid.IntRange(0, 4).Draw(t, "return") == 0 {
			return stars(e, -1)
		}
		return e
	})
	return rapid.SliceOfN(one, 0, 30).Draw(t, "events")
}

func anyInterest(t *rapid.T) recsys.Interest {
	in := recsys.DefaultInterest()
	in.HalfLifeSeconds = rapid.SampledFrom([]float64{0, 0.5, 60, 3600}).Draw(t, "half-life")
	in.Floor = rapid.SampledFrom([]float64{0, 0.01, 1}).Draw(t, "floor")
	return in
}

func TestExtend_depends_only_on_the_set_of_events(t *testing.T) {
	t.Run("it does not depend on order, duplicates or batches", rapid.MakeCheck(func(t *rapid.T) {
		in, events := anyInterest(t), userEvents(t, 2, true)
		stored := in.Extend(recsys.History{}, userEvents(t, 3, true))
		want := in.Extend(stored, events)

		// Another delivery: batches that repeat each other's events, in any
		// order; a store keeps all of them.
		var kept []recsys.Event
		for _, e := range rapid.Permutation(events).Draw(t, "order") {
			for range rapid.IntRange(1, 3).Draw(t, "copies") {
				kept = append(kept, e)
			}
			in.Extend(stored, kept) // an intermediate state, which must have no effect
		}
		assert.Equal(t, want, in.Extend(stored, rapid.Permutation(kept).Draw(t, "reading")))
	}))

	t.Run("it extends a stored history to the history of all events", rapid.MakeCheck(func(t *rapid.T) {
		in := anyInterest(t)
		in.Floor = 0                   // the stored history no longer has what fell below a floor
		if in.HalfLifeSeconds == 0.5 { // 500 s are a thousand half-lives: float32 underflows, float64 does not
			in.HalfLifeSeconds = 30
		}
		var events []recsys.Event
		seen := map[string]bool{}
		for _, e := range userEvents(t, 3, false) { // a stored history is clamped, so returns would depend on the cut
			if !seen[e.EventID] {
				seen[e.EventID] = true
				events = append(events, e)
			}
		}
		cut := rapid.IntRange(0, len(events)).Draw(t, "cut")
		want := in.Extend(recsys.History{}, events)
		got := in.Extend(in.Extend(recsys.History{}, events[:cut]), events[cut:])

		assert.Equal(t, want.Reference, got.Reference)
		assert.ElementsMatch(t, want.Items, got.Items)
		assert.ElementsMatch(t, want.Seen, got.Seen)
		for i, item := range want.Items {
			w := float64(want.Weights[i])
			assert.InEpsilon(t, w, float64(got.Weights[slices.Index(got.Items, item)]), 1e-6)
		}
	}))
}

func TestInterest_validate(t *testing.T) {
	t.Parallel()
	require.NoError(t, recsys.DefaultInterest().Validate())
	for name, c := range map[string]struct {
		spoil func(*recsys.Interest)
		want  string
	}{
		"NaN weight":               {func(in *recsys.Interest) { in.Weights[recsys.View] = math.NaN() }, `weight of "view" is NaN`},
		"infinite weight":          {func(in *recsys.Interest) { in.Weights[recsys.View] = math.Inf(-1) }, `weight of "view" is -Inf`},
		"huge weight":              {func(in *recsys.Interest) { in.Weights[recsys.View] = 2e6 }, "use -1000000 to 1000000"},
		"weight of impressions":    {func(in *recsys.Interest) { in.Weights[recsys.Impression] = 1 }, "what was only shown has no weight"},
		"negative rating":          {func(in *recsys.Interest) { in.Weights[recsys.Rating] = -1 }, `weight of "rating" is -1`},
		"second name of a type":    {func(in *recsys.Interest) { in.Weights["AddToCart"] = 1 }, `"AddToCart" and "add_to_cart" are the same event type`},
		"empty name":               {func(in *recsys.Interest) { in.Weights[""] = 1 }, "event type is empty"},
		"interest without weights": {func(in *recsys.Interest) { in.Weights = map[string]float64{"a": 0, "b": -1} }, "no event would count"},
		"unknown use":              {func(in *recsys.Interest) { in.ValueUse = map[string]string{recsys.Purchase: "sqrt"} }, `value_use of "purchase" is "sqrt"; use ignore, log or value`},
		"second use of a type": {func(in *recsys.Interest) {
			in.ValueUse = map[string]string{"Purchase": recsys.LogValue, "purchase": recsys.PlainValue}
		}, `value_use: "Purchase" and "purchase" are the same event type`},
		"use of ratings":            {func(in *recsys.Interest) { in.ValueUse = map[string]string{"Rating": recsys.LogValue} }, "compared with rating_threshold"},
		"use of a type without one": {func(in *recsys.Interest) { in.ValueUse = map[string]string{"play": recsys.LogValue} }, `value_use names "play", which has no weight`},
		"threshold":                 {func(in *recsys.Interest) { in.RatingThreshold = math.Inf(1) }, "rating_threshold is +Inf"},
		"half-life":                 {func(in *recsys.Interest) { in.HalfLifeSeconds = math.Inf(1) }, "half_life_seconds is +Inf"},
		"floor":                     {func(in *recsys.Interest) { in.Floor = -0.1 }, "floor is -0.1"},
	} {
		t.Run("it refuses a wrong "+name, func(t *testing.T) {
			t.Parallel()
			in := recsys.DefaultInterest()
			c.spoil(&in)
			require.ErrorContains(t, in.Validate(), c.want)
		})
	}
	t.Run("it reports every mistake", func(t *testing.T) {
		t.Parallel()
		in := recsys.DefaultInterest()
		in.Floor, in.HalfLifeSeconds = -1, -1
		require.ErrorContains(t, in.Validate(), "floor")
		require.ErrorContains(t, in.Validate(), "half_life_seconds")
	})
	t.Run("it accepts a type that takes back interest", func(t *testing.T) {
		t.Parallel()
		in := recsys.DefaultInterest()
		in.Weights["dislike"] = -3
		require.NoError(t, in.Validate())
	})
}

func TestInterest_weight(t *testing.T) {
	t.Parallel()
	v := func(x float64) *float64 { return &x }
	in := recsys.DefaultInterest()
	in.Weights["play"], in.Weights["line"], in.Weights["return"] = 2, 2, -4
	in.ValueUse = map[string]string{"play": recsys.LogValue, "line": recsys.PlainValue, recsys.View: recsys.IgnoreValue, "Return": recsys.PlainValue}
	for _, c := range []struct {
		kind  string
		value *float64
		want  float64
	}{
		{"purchase", nil, 5},
		{"purchase", v(0), 5},
		{"purchase", v(7), 5},
		{"purchase", v(-7), -5},
		{"purchase", v(math.NaN()), 5},
		{"purchase", v(math.Inf(-1)), 5},
		{"view", v(-1), -1},
		{"play", nil, 2},
		{"play", v(0), 0},
		{"play", v(1), 2},
		{"play", v(7), 6},
		{"play", v(-7), -6},
		{"line", nil, 2},
		{"line", v(2.5), 5},
		{"line", v(-2.5), -5},
		{"line", v(1e300), 2e6},
		{"return", nil, -4},
		{"return", v(2), -8},
		{"return", v(-2), -8},
		{"rating", v(4), 1},
		{"rating", v(3.9), 0},
		{"rating", v(-5), 0},
		{"rating", nil, 0},
		{"Rating", v(4), 1},
		{"Purchase", nil, 5},
		{"CLICK", nil, 1},
		{"add-to-cart", nil, 3},
		{"AddToCart", nil, 3},
		{"addtocart", nil, 3},
		{"Add To Cart", nil, 3},
		{"PLAY", v(7), 6},
		{"added_to_cart", nil, 0},
		{"purchases", nil, 0},
		{"purchas", nil, 0},
		{"impression", nil, 0},
		{"", nil, 0},
	} {
		assert.Equal(t, c.want, in.Weight(c.kind, c.value), "%s %v", c.kind, c.value) //nolint:testifylint // exact on purpose
	}
	in.Weights["Impression"] = 9
	assert.Zero(t, in.Weight("IMPRESSION", nil), "an impression has no weight, whatever is declared")
}

func TestExtend_takes_back_what_was_returned(t *testing.T) {
	t.Parallel()
	in := recsys.DefaultInterest()
	day := 24 * time.Hour
	bought := func(at_ time.Duration, id, item string, n float64) recsys.Event {
		return stars(at(at_, id, item, recsys.Purchase), n)
	}
	t.Run("it leaves a returned item as seen, and the other items as they are", func(t *testing.T) {
		t.Parallel()
		alone := in.Extend(recsys.History{}, []recsys.Event{bought(0, "1", "kept", 1)})
		h := in.Extend(recsys.History{}, []recsys.Event{bought(0, "1", "kept", 1), bought(-day, "2", "back", 2), bought(400*day, "3", "back", -2)})
		assert.Equal(t, alone.Items, h.Items)
		assert.Equal(t, alone.Weights, h.Weights)
		assert.Equal(t, alone.Reference, h.Reference)
		assert.Equal(t, []string{"back"}, h.Seen)
	})
	t.Run("it takes back quantities exactly when the value counts", func(t *testing.T) {
		t.Parallel()
		in := in
		in.ValueUse, in.HalfLifeSeconds = map[string]string{recsys.Purchase: recsys.PlainValue}, 0
		h := in.Extend(recsys.History{}, []recsys.Event{bought(0, "1", "a", 3), bought(1, "2", "a", -1), bought(2, "3", "b", 1), bought(3, "4", "b", 1), bought(4, "5", "b", -2)})
		assert.Equal(t, []string{"a"}, h.Items)
		assert.Equal(t, []float32{10}, h.Weights)
		assert.Equal(t, []string{"b"}, h.Seen)
	})
	t.Run("it takes back from a trained history", func(t *testing.T) {
		t.Parallel()
		trained := in.Extend(recsys.History{}, []recsys.Event{bought(0, "1", "a", 1), bought(0, "2", "b", 1)})
		h := in.Extend(trained, []recsys.Event{bought(day, "3", "a", -1)})
		assert.Equal(t, []string{"b"}, h.Items)
		assert.Equal(t, []string{"a"}, h.Seen)
		assert.Equal(t, trained.Reference, h.Reference)
	})
	t.Run("it ignores what rounding leaves without a floor", func(t *testing.T) {
		t.Parallel()
		in := recsys.Interest{Weights: map[string]float64{"a": 0.1, "b": 0.2}}
		h := in.Extend(recsys.History{}, []recsys.Event{at(0, "1", "x", "a"), at(1, "2", "x", "b"), stars(at(2, "3", "x", "a"), -1), stars(at(3, "4", "x", "b"), -1)})
		assert.Empty(t, h.Items)
		assert.Equal(t, []string{"x"}, h.Seen)
	})
	t.Run("it keeps a user with returns only", func(t *testing.T) {
		t.Parallel()
		h := in.Extend(recsys.History{}, []recsys.Event{bought(0, "1", "a", -1)})
		assert.Equal(t, recsys.History{Seen: []string{"a"}}, h)
	})
}

func TestInterest_clickType(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		weights map[string]float64
		want    string
	}{
		{recsys.DefaultInterest().Weights, recsys.Click},
		{map[string]float64{"Click": 2, "view": 1}, recsys.Click},
		{map[string]float64{"view": 1, "transaction": 5, "dislike": -1, "rating": 0.5}, "view"},
		{map[string]float64{"rating": 1}, recsys.Click},
	} {
		assert.Equal(t, c.want, recsys.Interest{Weights: c.weights}.ClickType())
	}
}
