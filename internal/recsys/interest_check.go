package recsys

import (
	"fmt"
	"slices"
)

// InterestCheck is what an interest makes of the events that a training read. It is
// computed from the counts in a manifest, so Notes says what it does not take into
// account.
type InterestCheck struct {
	Types    []TypeCheck `json:"types" doc:"Most frequent first."`
	Events   int64       `json:"events" doc:"Number of events without impressions."`
	Counting int64       `json:"counting" doc:"Number of events that add interest."`
	Negative int64       `json:"negative" doc:"Number of events that take back interest."`

	Users        int64    `json:"users"`
	UsersWithout int64    `json:"users_without" doc:"Number of users whose events add no interest."`
	UsersUnknown int64    `json:"users_unknown,omitempty" doc:"Number of users of whom it is not known."`
	Items        int64    `json:"items"`
	ItemsWithout int64    `json:"items_without" doc:"Number of items whose events add no interest."`
	ItemsUnknown int64    `json:"items_unknown,omitempty" doc:"Number of items of which it is not known."`
	Notes        []string `json:"notes,omitempty" doc:"What is not taken into account."`
}

// TypeCheck is what an interest makes of the events of one type.
type TypeCheck struct {
	Type     string  `json:"type" example:"purchase"`
	Events   int64   `json:"events"`
	Weight   float64 `json:"weight" doc:"Weight of an event without a value, or of a rating that counts."`
	ValueUse string  `json:"value_use" enum:"ignore,log,value"`
	Counting int64   `json:"counting" doc:"Number of events that add interest."`
	Negative int64   `json:"negative" doc:"Number of events that take back interest."`
	Declared bool    `json:"declared" doc:"Whether the type has a weight, which may be 0."`
}

// Share returns the share of the events that add interest.
func (c InterestCheck) Share() float64 {
	return float64(c.Counting) / float64(max(1, c.Events))
}

// otherTypes is the name of all types but the 50 most frequent in a manifest.
const otherTypes = "other"

// Check returns what the interest makes of the events of a training. trained is the
// interest of the training.
func (in Interest) Check(input Input, trained Interest) InterestCheck {
	c := InterestCheck{Types: make([]TypeCheck, 0, len(input.EventTypes)), Users: input.Users, Items: input.Items}
	for _, t := range input.EventTypes {
		of := in.checkType(t, trained)
		c.Types = append(c.Types, of)
		if !IsImpression(t.Type) {
			c.Events += t.Events
		}
		c.Counting += of.Counting
		c.Negative += of.Negative
	}
	c.UsersUnknown, c.ItemsUnknown = input.Users, input.Items
	for _, s := range input.UserTypes {
		without, unknown := in.adds(s.Types)
		c.UsersWithout += s.Users * without
		c.UsersUnknown -= s.Users * (1 - unknown)
	}
	for _, s := range input.ItemTypes {
		without, unknown := in.adds(s.Types)
		c.ItemsWithout += s.Items * without
		c.ItemsUnknown -= s.Items * (1 - unknown)
	}
	c.UsersUnknown, c.ItemsUnknown = max(0, c.UsersUnknown), max(0, c.ItemsUnknown)
	c.Notes = in.notes(c, trained)
	return c
}

// checkType returns what the interest makes of the events of one type.
func (in Interest) checkType(t TypeInput, trained Interest) TypeCheck {
	name, declared := in.declared(t.Type)
	c := TypeCheck{Type: t.Type, Events: t.Events, Weight: in.Weights[name], ValueUse: in.UseOf(t.Type), Declared: declared}
	switch {
	case IsImpression(t.Type):
		c.Weight = 0
	case SameType(t.Type, Rating):
		if c.Weight > 0 {
			c.Counting = in.countingRatings(t, trained)
		}
	case c.Weight > 0:
		c.Counting, c.Negative = t.Events-t.Negative, t.Negative
	case c.Weight < 0:
		c.Negative = t.Events
	}
	return c
}

// countingRatings returns the number of ratings that reach the threshold: exactly if it
// is that of the training, and otherwise to a percent.
func (in Interest) countingRatings(t TypeInput, trained Interest) int64 {
	if in.RatingThreshold == trained.RatingThreshold || len(t.Percentiles) == 0 {
		return t.Counting
	}
	below := slices.IndexFunc(t.Percentiles, func(p float64) bool { return p >= in.RatingThreshold })
	if below < 0 {
		return 0
	}
	return t.Values * int64(len(t.Percentiles)-below) / int64(len(t.Percentiles))
}

// adds returns 1 as without if no event of the types adds interest, and 1 as unknown if
// that depends on rare types.
func (in Interest) adds(types []string) (without, unknown int64) {
	without = 1
	for _, t := range types {
		name, declared := in.declared(t)
		switch {
		case t == otherTypes && !declared:
			unknown = 1
		case in.Weights[name] > 0 && !IsImpression(t):
			return 0, 0
		}
	}
	return without - unknown, unknown
}

// notes returns what a check does not take into account.
func (in Interest) notes(c InterestCheck, trained Interest) (notes []string) {
	if c.Negative > 0 {
		notes = append(notes, "a user or item counts as soon as one event adds interest, even if others take it back")
	}
	has := func(of func(TypeCheck) bool) bool { return slices.ContainsFunc(c.Types, of) }
	if in.RatingThreshold != trained.RatingThreshold && has(func(t TypeCheck) bool { return SameType(t.Type, Rating) }) {
		notes = append(notes, fmt.Sprintf("ratings are counted to a percent, and for users and items with the threshold of the training, %g", trained.RatingThreshold))
	}
	if has(func(t TypeCheck) bool { return t.Type == otherTypes && !t.Declared }) {
		notes = append(notes, "the types other than the 50 most frequent are counted together, without a weight")
	}
	return append(notes, "the half-life and the floor are not taken into account")
}
