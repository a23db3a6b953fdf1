// Package report counts what the rows of an imported file contain, and reports
// what a person should know before a training uses them: how many events of which
// type count, and what is likely a mistake.
//
// The reading of a file is in internal/importer/tabular, the meaning of its columns
// in internal/importer/mapping. Texts for people are in the messages of warnings;
// their layout belongs to the caller.
package report

import (
	"cmp"
	"maps"
	"slices"

	"github.com/recflow/recflow/internal/importer/mapping"
)

// Report describes the content of a file. It is stored in the record of its
// import.
type Report struct {
	Why     string        `json:"why"`               // why the file was taken for events or items
	Dialect []string      `json:"dialect,omitempty"` // how it is written: separator, encoding, compression
	Columns []mapping.Use `json:"columns"`

	Users     int64 `json:"users"`     // distinct users
	Items     int64 `json:"items"`     // distinct items
	Estimated bool  `json:"estimated"` // users and items are estimates, with an error below 1 %

	Types    []Type  `json:"types"`    // most frequent first
	Counting float64 `json:"counting"` // share of events with a weight above 0
	NoTime   float64 `json:"no_time"`  // share of events without a time

	// RepeatedIDs is the number of rows whose event id occurred before, and
	// RepeatedContents that of rows whose user, item, type, time and value did. Of
	// large files they are estimates.
	RepeatedIDs      int64 `json:"repeated_ids"`
	RepeatedContents int64 `json:"repeated_contents"`

	Matches  *Matches  `json:"matches,omitempty"`
	Warnings []Warning `json:"warnings"` // most harmful first
}

// Type describes the events of one type.
type Type struct {
	Type     string   `json:"type"`
	Events   int64    `json:"events"`
	Weight   float64  `json:"weight"`   // of an event that counts, under the default interest
	Counting int64    `json:"counting"` // events with a weight above 0
	Low      *float64 `json:"low,omitempty"`
	High     *float64 `json:"high,omitempty"` // range of the values
	Negative int64    `json:"negative,omitempty"`

	CountsFrom float64 `json:"counts_from,omitempty"` // of a rating: the value from which it counts
}

// Report returns the report of the rows so far. Why, Dialect, Columns and Matches
// are left to the caller.
func (t *Tally) Report() Report {
	r := Report{
		Users: t.all().users.distinct(), Items: t.all().items.distinct(), Estimated: t.all().users.level+t.all().items.level > 0,
		RepeatedIDs:      t.all().eventIDs.sum(func(e *eventID) int64 { return e.rows - 1 }),
		RepeatedContents: t.all().contents.sum(func(n *int64) int64 { return *n - 1 }),
		Types:            []Type{}, Warnings: []Warning{}, Columns: []mapping.Use{},
	}
	var counting int64
	for _, name := range slices.Sorted(maps.Keys(t.types)) {
		c := t.types[name]
		x := Type{Type: name, Events: c.events, Weight: c.weight, Negative: c.negative}
		switch {
		case c.weight > 0 && c.rating:
			x.Counting, x.CountsFrom = c.liked, t.interest.RatingThreshold
		case c.weight > 0:
			x.Counting = c.events - c.negative
		}
		if c.valued > 0 {
			low, high := c.low, c.high
			x.Low, x.High = &low, &high
		}
		counting += x.Counting
		r.Types = append(r.Types, x)
	}
	slices.SortStableFunc(r.Types, func(a, b Type) int { return cmp.Compare(b.Events, a.Events) })
	if t.events > 0 {
		r.Counting = float64(counting) / float64(t.events)
		r.NoTime = float64(t.noTime) / float64(t.events)
	}
	return r
}

// Conflicts returns the number of rows whose event id occurred before with other
// content, and the number of rows with an event id. Both are estimates for large
// files.
func (t *Tally) Conflicts() (conflicted, rows int64) {
	return t.all().eventIDs.sum(func(e *eventID) int64 { return e.conflicted }), t.all().eventIDs.sum(func(e *eventID) int64 { return e.rows })
}
