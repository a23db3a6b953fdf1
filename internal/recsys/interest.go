package recsys

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Interest says how much an event counts. It is an input of training, travels
// in the manifest and therefore belongs to a version: whoever folds events into
// a version's vectors reads it from that version and cannot drift from training.
type Interest struct {
	// Weights is the weight of each event type. A type that is absent weighs 0.
	Weights map[string]float64 `json:"weights"`

	// RatingThreshold is the value from which a rating counts; below it a
	// rating means that the user has met the item, and nothing more.
	RatingThreshold float64 `json:"rating_threshold"`

	// HalfLifeSeconds is the age at which an event counts half. 0 means that
	// events do not age.
	HalfLifeSeconds float64 `json:"half_life_seconds"`

	// Floor drops an item whose summed weight is below it.
	Floor float64 `json:"floor"`
}

// DefaultInterest is the interest used unless a training says otherwise
// (docs/decisions/0008-interest-defaults.md).
func DefaultInterest() Interest {
	return Interest{
		Weights:         map[string]float64{View: 1, Click: 1, AddToCart: 3, Purchase: 5, Rating: 1, Impression: 0},
		RatingThreshold: 4,
		HalfLifeSeconds: 90 * 24 * 3600,
		Floor:           0.01,
	}
}

// Validate returns a mistake in the interest, if there is one.
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
		return fmt.Errorf("interest: floor is %v; it is finite and not negative", in.Floor)
	}
	return nil
}

// Weight is what one event adds to its user's interest in its item, before age.
func (in Interest) Weight(eventType string, value *float64) float64 {
	if eventType == Rating && (value == nil || math.IsNaN(*value) || *value < in.RatingThreshold) {
		return 0
	}
	return in.Weights[eventType]
}

// History is a user's folded past: one row per item, and the time the weights
// refer to. Items and Weights have the same length; the order carries nothing.
type History struct {
	Items     []string
	Weights   []float32
	Reference time.Time // latest occurred_at among the events that count; zero when none does
	Met       []string  // items that weigh nothing: left out of lists, never folded
}

// Empty reports whether nothing in the history counts.
func (h History) Empty() bool { return len(h.Items) == 0 }

// Extend folds events into h and returns the result; h is not changed.
//
// The weight of an item is Σ weight(type, value)·2^(−(t_ref − occurred_at)/half-life)
// over its events, where t_ref is the latest occurred_at of the user's counting
// events and never the wall clock. Sums run in (occurred_at, event_id) order and
// the floor applies after summing. Of several events with one event_id the first
// in that order counts. An impression says what was shown, not what was done: it
// is neither interest nor makes an item met. So the result depends on the set of events, not on
// their order, duplication or split into batches.
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
	order := make([]string, 0, len(h.Items)+len(h.Met)+len(ordered)) // first appearance, so the result is deterministic
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
	for _, item := range h.Met {
		add(item, 0)
	}
	for _, e := range ordered {
		// An event that weighs nothing may be younger than ref, by so much that
		// its factor overflows: 0·∞ is not 0.
		w := in.Weight(e.EventType, e.Value)
		if w > 0 {
			w *= in.decay(e.OccurredAt, ref)
		}
		add(e.ItemID, w)
	}

	out := History{Reference: ref}
	for _, item := range order {
		if w := sums[item]; float32(w) > 0 && w >= in.Floor { // a weight too small for float32 is none
			out.Items = append(out.Items, item)
			out.Weights = append(out.Weights, float32(w))
		} else {
			out.Met = append(out.Met, item)
		}
	}
	return out
}

// compareEvents orders events by (occurred_at, event_id) and, so that two that
// wrongly share both have an order of their own, by what they say.
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

// decay is 2^(−(to − from)/half-life), or 1 without a half-life.
func (in Interest) decay(from, to time.Time) float64 {
	if in.HalfLifeSeconds == 0 || from.IsZero() {
		return 1
	}
	return math.Exp2(-float64(to.UnixMicro()-from.UnixMicro()) / (in.HalfLifeSeconds * 1e6))
}
