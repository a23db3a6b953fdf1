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
func userEvents(t *rapid.T, ids int) []recsys.Event {
	one := rapid.Custom(func(t *rapid.T) recsys.Event {
		e := at(time.Duration(rapid.IntRange(0, 500).Draw(t, "second"))*time.Second,
			rapid.StringMatching(`[a-z]{1,3}`).Filter(func(s string) bool { return len(s) <= ids }).Draw(t, "id"),
			rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "item"),
			rapid.SampledFrom([]string{recsys.Impression, recsys.View, recsys.Purchase, recsys.Rating, "other"}).Draw(t, "type"))
		if e.EventType == recsys.Rating {
			return stars(e, rapid.Float64Range(0, 5).Draw(t, "stars"))
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
		in, events := anyInterest(t), userEvents(t, 2)
		stored := in.Extend(recsys.History{}, userEvents(t, 3))
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
		for _, e := range userEvents(t, 3) {
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
	require.NoError(t, recsys.DefaultInterest().Validate())
	for name, spoil := range map[string]func(*recsys.Interest){
		"negative weight": func(in *recsys.Interest) { in.Weights[recsys.View] = -1 },
		"NaN weight":      func(in *recsys.Interest) { in.Weights[recsys.View] = math.NaN() },
		"half-life":       func(in *recsys.Interest) { in.HalfLifeSeconds = math.Inf(1) },
		"floor":           func(in *recsys.Interest) { in.Floor = -0.1 },
	} {
		t.Run("it refuses a "+name, func(t *testing.T) {
			in := recsys.DefaultInterest()
			spoil(&in)
			assert.Error(t, in.Validate())
		})
	}
}
