// Package mapping determines the meaning of a file's columns, and converts its
// records to events and items.
//
// It has the fields of an event and an item, common names of their columns, and
// the conversion of one record. File formats belong in
// internal/importer/tabular, and the processing of events and items in
// internal/importer.
package mapping

import (
	"fmt"
	"slices"

	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// Rules configures how the meaning of a file's columns is determined.
type Rules struct {
	Columns   Columns          // explicit columns, instead of guessing
	Known     map[Field]string // columns of a data set; nil: guess
	Items     bool             // read the file as items, regardless of its columns
	EventType string           // type of events whose row has none
}

// Mapping is the meaning of a file's columns.
type Mapping struct {
	Items     bool   // the file contains items, not events
	EventType string // type of events whose row has none

	columns [numFields]int // index of each field's column, or -1
}

// Mapping returns the mapping of a file with the given columns.
func (r Rules) Mapping(names []string) (Mapping, error) {
	if r.Known != nil {
		return r.known(names)
	}
	return r.guess(names)
}

func (r Rules) guess(names []string) (Mapping, error) {
	m := Mapping{EventType: r.EventType}
	m.clear()
	user, err := r.find(User, names)
	if err != nil {
		return m, err
	}
	m.Items = r.Items || (user < 0 && r.Columns.User == "" && describesItems(names))
	fields := eventFields
	if m.Items {
		fields = itemFields
	}
	for _, f := range fields {
		if m.columns[f], err = r.find(f, names); err != nil {
			return m, err
		}
	}
	if m.Items && m.columns[Item] < 0 {
		m.columns[Item] = slices.IndexFunc(names, func(n string) bool { return plain(n) == "id" })
	}
	if m.Items {
		return m, m.require(names, Item)
	}
	m.chooseType(r, names)
	return m, m.require(names, User, Item)
}

// known maps columns whose meaning is known.
func (r Rules) known(names []string) (Mapping, error) {
	m := Mapping{Items: r.Items, EventType: r.EventType}
	m.clear()
	for f := range numFields {
		want, ok := r.Known[f]
		if !ok {
			continue
		}
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
	if c := m.columns[Value]; c >= 0 && slices.Contains([]string{"rating", "stars"}, plain(names[c])) {
		m.EventType = recsys.Rating
	}
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
	}
	return out
}

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
