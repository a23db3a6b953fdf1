// Package mapping determines the meaning of a file's columns, and converts its
// records to events and items.
//
// It has the fields of an event and an item, common names of their columns, what
// the first values show about columns of unknown names, and the conversion of one
// record. What cannot be determined is an error that names the flag to decide with.
// File formats belong in internal/importer/tabular, and the processing of events
// and items in internal/importer.
package mapping

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// The formats of ids.
const (
	IDsAsWritten = "text"    // 101.0 is the id "101.0"
	IDsWhole     = "integer" // 101.0 is the id "101"
)

// Rules configures how the meaning of a file's columns is determined.
type Rules struct {
	Columns   Columns            // explicit columns, instead of guessing
	Known     map[Field]string   // columns of a data set; nil: guess
	Items     bool               // read the file as items, regardless of its columns
	Events    bool               // read the file as events, regardless of its columns
	EventType string             // type of events whose row has none
	Types     map[string]string  // new names of event types
	IDFormat  string             // IDsAsWritten or IDsWhole; empty: IDsWhole if all ids of a column are whole floats
	Recipe    bool               // Columns are those of a recipe: columns that the file lacks are absent
	Others    map[Field][]string // columns to use where that of a field has no value, in order
	Only      bool               // skip rows of types that are not in Types, and rows without an item
	Times     tabular.TimeFormat // form of the times
	Now       time.Time          // latest time of events; zero: the current time
}

// Mapping is the meaning of a file's columns.
type Mapping struct {
	Items     bool              // the file contains items, not events
	EventType string            // type of events whose row has none
	Types     map[string]string // new names of event types
	IDFormat  string            // as in Rules
	times     tabular.TimeFormat
	only      bool
	others    [numFields][]int // further columns

	columns [numFields]int  // index of each field's column, or -1
	how     [numFields]How  // how it was found
	whole   [numFields]bool // whole floats are read as integers
}

// How is how the column of a field was found.
type How string

// The ways to find a column.
const (
	HowFlag    How = "flag"     // a flag names it
	HowRecipe  How = "recipe"   // a recipe names it
	HowName    How = "name"     // it has a name of recflow's own format
	HowSynonym How = "synonym"  // it has another common name
	HowDataSet How = "data_set" // the columns of the data set are known
)

// Mapping returns the mapping of a file with the columns of a sample.
func (r Rules) Mapping(s Sample) (Mapping, error) {
	if r.Now.IsZero() {
		r.Now = time.Now()
	}
	if r.Known != nil {
		return r.known(s.Names)
	}
	return r.guess(s)
}

func (r Rules) guess(s Sample) (Mapping, error) {
	m := Mapping{EventType: r.EventType, Types: r.Types, IDFormat: r.IDFormat, times: r.Times, only: r.Only}
	m.clear()
	user, _, err := r.find(User, s)
	if err != nil {
		return m, err
	}
	if m.Items, err = r.isCatalog(s, user); err != nil {
		return m, err
	}
	fields := eventFields
	if m.Items {
		fields = itemFields
	}
	for _, f := range fields {
		if m.columns[f], m.how[f], err = r.find(f, s); err != nil {
			return m, err
		}
	}
	for f, names := range r.Others {
		for _, n := range names {
			c := slices.Index(s.Names, n)
			if c < 0 || slices.Contains(m.columns[:], c) {
				continue
			}
			if m.columns[f] < 0 {
				m.columns[f], m.how[f] = c, HowRecipe
			} else {
				m.others[f] = append(m.others[f], c)
			}
		}
	}
	if m.Items && m.columns[Item] < 0 {
		m.columns[Item] = slices.IndexFunc(s.Names, func(n string) bool { return plain(n) == "id" })
		m.how[Item] = HowSynonym
	}
	if m.Items {
		m.chooseIDs(s, Item)
		return m, m.require(s.Names, Item)
	}
	m.chooseType(r, s.Names)
	m.chooseIDs(s, User, Item)
	if err := m.require(s.Names, User, Item); err != nil {
		return m, err
	}
	return m, m.checkTime(r, s)
}

// known maps columns whose meaning is known.
func (r Rules) known(names []string) (Mapping, error) {
	m := Mapping{Items: r.Items, EventType: r.EventType, Types: r.Types, IDFormat: IDsAsWritten}
	m.clear()
	for f := range numFields {
		want, ok := r.Known[f]
		if !ok {
			continue
		}
		m.how[f] = HowDataSet
		if m.columns[f] = slices.Index(names, want); m.columns[f] < 0 {
			return m, fmt.Errorf("there is no column %q; the columns are %s", want, list(names))
		}
	}
	return m, nil
}

func (m *Mapping) clear() {
	for f := range m.columns {
		m.columns[f] = -1
	}
}

// chooseType determines the type of events: a rating column makes them ratings,
// and --event-type overrides a type column that was guessed.
func (m *Mapping) chooseType(r Rules, names []string) {
	if c := m.columns[Type]; c >= 0 && r.EventType != "" && r.Columns.Type == "" && plain(names[c]) != definitions[Type].own {
		m.columns[Type] = -1
	}
	if m.EventType != "" {
		return
	}
	m.EventType = recsys.Click
	if c := m.columns[Value]; c >= 0 && slices.Contains(ratingNames, plain(names[c])) {
		m.EventType = recsys.Rating
	}
}

// chooseIDs determines for each field whether 101.0 is 101: it is if the sample
// has no other id, as in a data frame that lacked one id.
func (m *Mapping) chooseIDs(s Sample, fields ...Field) {
	for _, f := range fields {
		floats, others := s.wholeFloats(m.columns[f])
		m.whole[f] = m.IDFormat == IDsWhole || m.IDFormat == "" && floats > 0 && others == 0
	}
}

// checkTime returns an error if no column is known as the time but one looks like
// it: events without times would all get the time of the import.
func (m *Mapping) checkTime(r Rules, s Sample) error {
	if m.columns[Time] >= 0 || r.Columns.Time == noColumn {
		return nil
	}
	var found []string
	first := -1
	for c := range s.Names {
		if !slices.Contains(m.columns[:], c) && s.looksLikeTimes(c, r.Now) {
			if found = append(found, s.Names[c]); first < 0 {
				first = c
			}
		}
	}
	switch len(found) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("no column is known as the time, but %q looks like one (%.40q); use --time-column %q, or --time-column none if events have no time",
			found[0], s.Example(first), found[0])
	}
	return fmt.Errorf("no column is known as the time, but the columns %s look like one; choose with --time-column, or use --time-column none if events have no time", list(found))
}

// require returns an error if a required field has no column.
func (m *Mapping) require(names []string, fields ...Field) error {
	for _, f := range fields {
		if m.columns[f] >= 0 {
			continue
		}
		advice := "name it with " + definitions[f].flag
		if slices.ContainsFunc(names, isNumber) {
			advice = "the first line must be a header with column names"
		}
		return fmt.Errorf("no column looks like the %s; the columns are %s; %s", definitions[f].name, list(names), advice)
	}
	return nil
}

// Names returns the column of each field, for people and for the record of the
// import.
func (m *Mapping) Names(columns []string) map[string]string {
	out := map[string]string{}
	for f, c := range m.columns {
		if c >= 0 {
			out[definitions[f].name] = columns[c]
		}
		for _, c := range m.others[f] {
			out[definitions[f].name] += ", else " + columns[c]
		}
	}
	return out
}

// Use describes the use of one column.
type Use struct {
	Column  string `json:"column"`
	Field   string `json:"field,omitempty"` // empty: the column is ignored
	How     How    `json:"how,omitempty"`
	Whole   bool   `json:"whole,omitempty"` // ids are written as floats, such as 101.0, and read as integers
	Example string `json:"example,omitempty"`
}

// Uses describes the use of every column of a file, in its order.
func (m *Mapping) Uses(s Sample) []Use {
	out := make([]Use, len(s.Names))
	for c, name := range s.Names {
		out[c] = Use{Column: name, Example: cutText(s.Example(c))}
		f := slices.Index(m.columns[:], c)
		if f < 0 {
			f = slices.IndexFunc(m.others[:], func(others []int) bool { return slices.Contains(others, c) })
		}
		if f >= 0 {
			out[c].Field, out[c].How, out[c].Whole = definitions[f].name, m.how[f], m.whole[f]
		}
	}
	return out
}

// cutText limits the text of an example.
func cutText(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}

// Equal reports whether two mappings read a file in the same way.
func (m *Mapping) Equal(o *Mapping) bool {
	return m.Items == o.Items && m.EventType == o.EventType && m.IDFormat == o.IDFormat &&
		m.columns == o.columns && m.whole == o.whole && slices.EqualFunc(m.others[:], o.others[:], slices.Equal) && maps.Equal(m.Types, o.Types)
}

// Has reports whether a column fills a field.
func (m *Mapping) Has(f Field) bool { return m.columns[f] >= 0 }

// Flag returns the flag that names the column of a field.
func (f Field) Flag() string { return definitions[f].flag }

// ownKeys are the keys of an event and an item in recflow's own format.
var ownKeys = []string{
	"event_id", "user_id", "item_id", "event_type", "value", "session_id", "recommendation_id", "occurred_at",
	"title", "category", "tags", "text", "available",
}

// Bindings returns the columns to read into a record. They include recflow's
// own keys that are missing in the file's first lines: later lines may have
// them.
func (m *Mapping) Bindings(columns []string) []tabular.Column {
	var bound []tabular.Column
	bind := func(f Field, index int, name string) {
		bound = append(bound, tabular.Column{Cell: int(f), Index: index, Name: name, SingleLine: f < Title})
	}
	for f, c := range m.columns {
		if c >= 0 {
			bind(Field(f), c, columns[c])
		}
		for _, c := range m.others[f] {
			bind(Field(f), c, columns[c])
		}
	}
	for _, k := range ownKeys {
		f := slices.IndexFunc(definitions[:], func(d definition) bool { return d.own == plain(k) })
		if m.columns[f] < 0 && !slices.Contains(columns, k) {
			bind(Field(f), -1, k)
		}
	}
	return bound
}

// NewRecord returns a record with a cell for every field.
func NewRecord() *tabular.Record {
	return &tabular.Record{Cells: make([]tabular.Cell, numFields)}
}
