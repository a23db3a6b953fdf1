package recsys

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Interest configures the interest weights of events. It is an input of
// training, is stored in the manifest and so belongs to a version: fold-in with
// a version's vectors uses the interest of that version, the same as its
// training.
type Interest struct {
	// Weights is the weight of each event type. A type that is absent has
	// weight 0.
	Weights map[string]float64 `json:"weights"`

	// RatingThreshold is the minimum value of a rating with weight; a lower
	// rating only marks the item as seen.
	RatingThreshold float64 `json:"rating_threshold"`

	// HalfLifeSeconds is the age at which the weight of an event is halved. 0:
	// no decay.
	HalfLifeSeconds float64 `json:"half_life_seconds"`

	// Floor is the minimum weight of an item, after summing; items below it are
	// dropped.
	Floor float64 `json:"floor"`
}

// DefaultInterest is the default of a training
// (docs/decisions/0008-interest-defaults.md).
func DefaultInterest() Interest {
	return Interest{
		Weights:         map[string]float64{View: 1, Click: 1, AddToCart: 3, Purchase: 5, Rating: 1, Impression: 0},
		RatingThreshold: 4,
		HalfLifeSeconds: 90 * 24 * 3600,
		Floor:           0.01,
	}
}

// Validate returns a mistake in the interest, or nil.
func (in Interest) Validate() error {
	for t, w := range in.Weights {
		if w < 0 || math.IsNaN(w) || math.IsInf(w, 0) {
			return fmt.Errorf("interest: weight of %q is %v; weights are finite and not negative", t, w)
		}
	}
	if in.HalfLifeSeconds < 0 || math.IsNaN(in.HalfLifeSeconds) || math.IsInf(in.HalfLifeSeconds, 0) {
		return fmt.Errorf("interest: half_life_seconds is %v; use 0 for none", in.HalfLifeSeconds)
	}
	if in.Floor < 0 || math.IsNaN(in.Floor) || math.IsInf(in.Floor, 0) {
		return fmt.Errorf("interest: floor is %v; it must be finite and not negative", in.Floor)
	}
	return nil
}

// Weight returns the weight of one event for its user and item, before decay.
func (in Interest) Weight(eventType string, value *float64) float64 {
	if eventType == Rating && (value == nil || math.IsNaN(*value) || *value < in.RatingThreshold) {
		return 0
	}
	return in.Weights[eventType]
}

// MaxHistory is the maximum number of items in a history, in a training and after
// Extend: the heaviest are kept, and of equal weight those with the smaller id.
// Seen items have weight 0.
const MaxHistory = 5_000

// History is a user's aggregated past: one entry per item, at most MaxHistory, and
// the time that the weights refer to. Items and Weights have the same length; the
// order has no meaning.
type History struct {
	Items     []string
	Weights   []float32
	Reference time.Time // latest occurred_at of the events with weight; zero if there is none
	Seen      []string  // seen items without weight: excluded from lists, never folded in
}

// Empty reports whether no item in the history has weight.
func (h History) Empty() bool { return len(h.Items) == 0 }

// Extend adds events to h and returns the result; h is not changed.
//
// The weight of an item is Σ weight(type, value)·2^(−(t_ref −
// occurred_at)/half-life) over its events, where t_ref is the latest
// occurred_at of the user's events with weight and never the wall clock. Sums
// run in (occurred_at, event_id) order and the floor applies after summing. Of
// several events with one event_id the first in that order counts. An
// impression shows an item without an action of the user: it has no weight and
// does not make the item a seen item. So the result depends on the set of
// events, not on their order, duplication or split into batches. If there are more
// than MaxHistory items, the lightest are dropped last.
func (in Interest) Extend(h History, events []Event) History {
	ordered := slices.Clone(events)
	slices.SortFunc(ordered, compareEvents)
	seen := make(map[string]bool, len(ordered))
	ordered = slices.DeleteFunc(ordered, func(e Event) bool {
		dup := seen[e.EventID]
		seen[e.EventID] = true
		return dup || e.EventType == Impression
	})

	ref := h.Reference
	for _, e := range ordered {
		if in.Weight(e.EventType, e.Value) > 0 && e.OccurredAt.After(ref) {
			ref = e.OccurredAt
		}
	}

	sums := make(map[string]float64, len(h.Items)+len(ordered))
	order := make([]string, 0, len(h.Items)+len(h.Seen)+len(ordered)) // in order of first appearance, so the result is deterministic
	add := func(item string, w float64) {
		if _, known := sums[item]; !known {
			order = append(order, item)
		}
		sums[item] += w
	}
	aged := in.decay(h.Reference, ref)
	for i, item := range h.Items {
		add(item, float64(h.Weights[i])*aged)
	}
	for _, item := range h.Seen {
		add(item, 0)
	}
	for _, e := range ordered {
		// An event without weight may be so much later than ref that its factor
		// overflows: 0·∞ is not 0.
		w := in.Weight(e.EventType, e.Value)
		if w > 0 {
			w *= in.decay(e.OccurredAt, ref)
		}
		add(e.ItemID, w)
	}

	out := History{Reference: ref}
	for _, item := range order {
		if w := sums[item]; float32(w) > 0 && w >= in.Floor { // a weight that float32 cannot represent is dropped
			out.Items = append(out.Items, item)
			out.Weights = append(out.Weights, float32(w))
		} else {
			out.Seen = append(out.Seen, item)
		}
	}
	return out.bounded()
}

// bounded returns h with the MaxHistory heaviest items.
func (h History) bounded() History {
	if len(h.Items)+len(h.Seen) <= MaxHistory {
		return h
	}
	order := make([]int, len(h.Items))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(cmp.Compare(h.Weights[j], h.Weights[i]), cmp.Compare(h.Items[i], h.Items[j]))
	})
	order = order[:min(len(order), MaxHistory)]
	slices.Sort(order)
	out := History{Reference: h.Reference}
	for _, i := range order {
		out.Items, out.Weights = append(out.Items, h.Items[i]), append(out.Weights, h.Weights[i])
	}
	seen := slices.Sorted(slices.Values(h.Seen))
	out.Seen = seen[:min(len(seen), MaxHistory-len(out.Items))]
	return out
}

// compareEvents orders events by (occurred_at, event_id) and, to have a total
// order even for wrong duplicates of both, by content.
func compareEvents(a, b Event) int {
	value := func(e Event) float64 {
		if e.Value == nil {
			return math.Inf(-1)
		}
		return *e.Value
	}
	return cmp.Or(
		a.OccurredAt.Compare(b.OccurredAt),
		cmp.Compare(a.EventID, b.EventID),
		cmp.Compare(a.ItemID, b.ItemID),
		cmp.Compare(a.EventType, b.EventType),
		cmp.Compare(value(a), value(b)),
	)
}

// decay returns 2^(−(to − from)/half-life), or 1 without a half-life.
func (in Interest) decay(from, to time.Time) float64 {
	if in.HalfLifeSeconds == 0 || from.IsZero() {
		return 1
	}
	return math.Exp2(-float64(to.UnixMicro()-from.UnixMicro()) / (in.HalfLifeSeconds * 1e6))
}
