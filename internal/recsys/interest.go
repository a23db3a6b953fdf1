package recsys

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// Interest configures the interest weights of events. It is an input of
// training, is stored in the manifest and so belongs to a version: fold-in with
// a version's vectors uses the interest of that version, the same as its
// training.
type Interest struct {
	// Weights is the weight of each event type. Names are compared as SameType
	// does. A type that is absent has weight 0. An event of a type with a
	// negative weight takes back interest.
	Weights map[string]float64 `json:"weights"`

	// ValueUse is how the value of an event of a type changes its weight. A type
	// that is absent has IgnoreValue.
	ValueUse map[string]string `json:"value_use,omitempty"`

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

// The uses of the value v of an event. A missing value counts as 1. A negative value,
// such as the quantity of a return, makes the weight negative under each of them.
const (
	IgnoreValue = "ignore" // the weight is that of the type
	LogValue    = "log"    // the weight of the type, times log2(1 + |v|)
	PlainValue  = "value"  // the weight of the type, times |v|
)

// MaxEventTypes limits the event types of an interest.
const MaxEventTypes = 100

// MaxInterest limits the weight of an event type, the floor, and the part of a value
// that counts, so that no sum of weights overflows.
const MaxInterest = 1_000_000

// minWeight is the smallest floor: what a return leaves of an equal purchase is a
// rounding error and no interest.
const minWeight = 1e-9

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

// Validate returns all mistakes in the interest, joined.
func (in Interest) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("interest: "+format, args...)) }
	types := slices.Sorted(maps.Keys(in.Weights))
	if len(types) > MaxEventTypes {
		bad("%d event types have a weight; at most %d are accepted", len(types), MaxEventTypes)
		return errors.Join(errs...)
	}
	positive := false
	for i, t := range types {
		w := in.Weights[t]
		positive = positive || w > 0
		if err := CheckID("event type", t); err != nil {
			bad("%w", err)
		}
		if same := slices.IndexFunc(types[:i], func(u string) bool { return SameType(t, u) }); same >= 0 {
			bad("%q and %q are the same event type; keep one of them", types[same], t)
		}
		switch {
		case !(math.Abs(w) <= MaxInterest):
			bad("weight of %q is %v; use -%d to %[3]d", t, w, MaxInterest)
		case IsImpression(t) && w != 0:
			bad("weight of %q is %v; what was only shown has no weight, remove it", t, w)
		case SameType(t, Rating) && w < 0:
			bad("weight of %q is %v; use 0 or more, a rating below rating_threshold has no weight", t, w)
		}
	}
	if !positive {
		bad("no event type has a weight above 0, so no event would count")
	}
	named := slices.Sorted(maps.Keys(in.ValueUse))
	for i, t := range named {
		if same := slices.IndexFunc(named[:i], func(u string) bool { return SameType(t, u) }); same >= 0 {
			bad("value_use: %q and %q are the same event type; keep one of them", named[same], t)
		}
		switch use := in.ValueUse[t]; {
		case use != IgnoreValue && use != LogValue && use != PlainValue:
			bad("value_use of %q is %q; use %s, %s or %s", t, use, IgnoreValue, LogValue, PlainValue)
		case SameType(t, Rating) && use != IgnoreValue:
			bad("value_use of %q is %q; the value of a rating is compared with rating_threshold, remove it", t, use)
		}
		if _, found := in.declared(t); !found {
			bad("value_use names %q, which has no weight; add it to weights", t)
		}
	}
	if math.IsNaN(in.RatingThreshold) || math.IsInf(in.RatingThreshold, 0) {
		bad("rating_threshold is %v; it must be finite", in.RatingThreshold)
	}
	if !(in.HalfLifeSeconds >= 0) || math.IsInf(in.HalfLifeSeconds, 0) {
		bad("half_life_seconds is %v; use 0 for none", in.HalfLifeSeconds)
	}
	if !(in.Floor >= 0 && in.Floor <= MaxInterest) {
		bad("floor is %v; use 0 to %d", in.Floor, MaxInterest)
	}
	return errors.Join(errs...)
}

// declared returns the name under which the type has a weight.
func (in Interest) declared(eventType string) (name string, found bool) {
	if _, found := in.Weights[eventType]; found {
		return eventType, true
	}
	for name := range in.Weights {
		if SameType(name, eventType) {
			return name, true
		}
	}
	return "", false
}

// Declares reports whether the type has a weight, which may be 0.
func (in Interest) Declares(eventType string) bool {
	_, found := in.declared(eventType)
	return found
}

// Weight returns the weight of one event for its user and item, before decay. It is
// negative for an event that takes back interest: one with a negative value, or of a
// type with a negative weight. Both together do not make it positive.
func (in Interest) Weight(eventType string, value *float64) float64 {
	name, found := in.declared(eventType)
	if !found || IsImpression(eventType) {
		return 0
	}
	w := in.Weights[name]
	if value != nil && (math.IsNaN(*value) || math.IsInf(*value, 0)) {
		value = nil
	}
	if SameType(eventType, Rating) {
		if value == nil || *value < in.RatingThreshold {
			return 0
		}
		return w
	}
	if value == nil {
		return w
	}
	size := min(math.Abs(*value), MaxInterest)
	switch in.UseOf(eventType) {
	case LogValue:
		size = math.Log2(1 + size)
	case IgnoreValue:
		size = 1
	}
	if *value < 0 {
		return -math.Abs(w) * size
	}
	return w * size
}

// TypesByWeight returns the types that have a weight, the heaviest first.
func (in Interest) TypesByWeight() []string {
	return slices.SortedFunc(maps.Keys(in.Weights), func(a, b string) int {
		return cmp.Or(cmp.Compare(in.Weights[b], in.Weights[a]), cmp.Compare(a, b))
	})
}

// ClickType returns the event type that a click of the moment counts as: click or, if
// that has no positive weight, the lightest type that has one and needs no value.
func (in Interest) ClickType() string {
	best, weight := Click, in.Weight(Click, nil)
	if weight > 0 {
		return best
	}
	for _, t := range slices.Sorted(maps.Keys(in.Weights)) {
		if w := in.Weight(t, nil); w > 0 && (weight <= 0 || w < weight) {
			best, weight = t, w
		}
	}
	return best
}

// UseOf returns the use of the value of an event type.
func (in Interest) UseOf(eventType string) string {
	for name, use := range in.ValueUse {
		if SameType(name, eventType) {
			return use
		}
	}
	return IgnoreValue
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
	Reference time.Time // latest occurred_at of the events with a positive weight; zero if there is none
	Seen      []string  // seen items without weight: excluded from lists, never folded in
}

// Empty reports whether no item in the history has weight.
func (h History) Empty() bool { return len(h.Items) == 0 }

// Extend adds events to h and returns the result; h is not changed.
//
// The weight of an item is Σ weight(type, value)·2^(−(t_ref −
// occurred_at)/half-life) over its events, where t_ref is the latest
// occurred_at of the user's events with a positive weight and never the wall
// clock. Events that take back interest decay from their own date too, but do
// not move t_ref, so they change no other item. Sums run in (occurred_at,
// event_id) order; then a sum below 0 is 0, and the floor applies. Of
// several events with one event_id the first in that order counts. An
// impression shows an item without an action of the user: it has no weight and
// does not make the item a seen item. So the result depends on the set of
// events, not on their order, duplication or split into batches. If there are more
// than MaxHistory items, the lightest are dropped last.
//
// h has no sums below 0: a return that was more than took back all interest has no
// effect on a later purchase that Extend adds.
func (in Interest) Extend(h History, events []Event) History {
	ordered := slices.Clone(events)
	slices.SortFunc(ordered, compareEvents)
	seen := make(map[string]bool, len(ordered))
	ordered = slices.DeleteFunc(ordered, func(e Event) bool {
		dup := seen[e.EventID]
		seen[e.EventID] = true
		return dup || IsImpression(e.EventType)
	})

	ref := h.Reference
	weights := make([]float64, len(ordered))
	for i, e := range ordered {
		weights[i] = in.Weight(e.EventType, e.Value)
		if weights[i] > 0 && e.OccurredAt.After(ref) {
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
	for i, e := range ordered {
		// An event without a positive weight may be so much later than ref that its
		// factor is infinite: 0·∞ is not 0.
		w := weights[i]
		if w != 0 {
			w *= in.decay(e.OccurredAt, ref)
		}
		add(e.ItemID, w)
	}

	out := History{Reference: ref}
	for _, item := range order {
		if w := sums[item]; w >= max(in.Floor, minWeight) {
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

// decay returns 2^(−(to − from)/half-life), or 1 without a half-life or one of the times.
func (in Interest) decay(from, to time.Time) float64 {
	if in.HalfLifeSeconds == 0 || from.IsZero() || to.IsZero() {
		return 1
	}
	return math.Exp2(-float64(to.UnixMicro()-from.UnixMicro()) / (in.HalfLifeSeconds * 1e6))
}
