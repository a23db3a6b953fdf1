package mapping

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// Event is an accepted row of interactions. Its id is computed when it is
// written, unless the row has one.
type Event struct {
	Row int64
	recsys.Event
	HasID   bool
	HasTime bool  // otherwise it gets the time of the file's first import
	At      int64 // OccurredAt in microseconds
}

// Clone copies the parts of the event that refer to its record.
func (e Event) Clone() Event {
	for _, s := range []*string{&e.EventID, &e.UserID, &e.ItemID, &e.EventType, &e.SessionID, &e.RecommendationID} {
		*s = strings.Clone(*s)
	}
	if e.Value != nil {
		v := *e.Value
		e.Value = &v
	}
	return e
}

// EventMapper converts records to events.
type EventMapper struct {
	FirstImport time.Time // time of rows that have none
	ZeroTime    string    // ZeroRejected or ZeroMissing

	mapping *Mapping
	value   float64           // storage of the last event's Value
	types   map[string]string // names of event types, as they are stored
	renamed map[string]bool   // types that are new names
	ids     IDs

	exchangeable int64  // times whose day and month can be exchanged
	question     string // about the first of them
}

// The meanings of a time of exactly 0.
const (
	ZeroRejected = "reject" // the row is rejected
	ZeroMissing  = "none"   // the row has no time
)

// NewEventMapper returns a mapper for the records of a file with this mapping.
func (m *Mapping) NewEventMapper(firstImport time.Time, zeroTime string) *EventMapper {
	return &EventMapper{FirstImport: firstImport, ZeroTime: zeroTime, mapping: m, types: map[string]string{}, renamed: map[string]bool{}, ids: IDs{mapping: m}}
}

// future is how much later than the file's first import an event may be: clocks
// differ, and a day covers a missing time zone. It is relative to the *first*
// import, so that later ones accept the same rows.
const future = 24 * time.Hour

// Skipped is the reason for a row that is about something else than an event of a
// known type with an item. It is no defect of the row.
const Skipped = "skipped"

// Map converts a record to an event, which is valid until the next call, or
// returns why it cannot.
func (m *EventMapper) Map(r *tabular.Record) (e Event, why string) {
	for _, f := range eventFields {
		switch c := &r.Cells[f]; c.Kind {
		case tabular.CellList:
			return e, fmt.Sprintf("the %s is a list", definitions[f].name)
		case tabular.CellInvalid:
			return e, fmt.Sprintf("the %s %s", definitions[f].name, c.Text)
		case tabular.CellText:
			if f > Item && recsys.MissingWord(c.Text) {
				*c = tabular.Cell{}
			}
		}
	}
	e.Row = r.Row
	if m.mapping.only {
		if e.EventType = m.eventType(r.Cells[Type].String()); r.Cells[Item].Kind == tabular.CellAbsent || !m.renamed[e.EventType] {
			return e, Skipped
		}
	}
	if e.UserID, why = m.ids.read(User, r.Cells[User]); why != "" {
		return e, why
	}
	if e.ItemID, why = m.ids.read(Item, r.Cells[Item]); why != "" {
		return e, why
	}
	e.EventType = m.eventType(r.Cells[Type].String())
	e.SessionID, e.RecommendationID = r.Cells[Session].String(), r.Cells[Recommendation].String()
	if e.EventID = r.Cells[EventID].String(); e.EventID != "" {
		e.HasID = true
	} else {
		e.EventID = "derived" // a derived id is always valid
	}
	if why := m.time(r.Cells[Time], &e); why != "" {
		return e, why
	}
	if why := m.number(r.Cells[Value], &e); why != "" {
		return e, why
	}
	if err := e.Check(); err != nil {
		return e, err.Error()
	}
	if e.SessionID != "" {
		if err := recsys.CheckID("session_id", e.SessionID); err != nil {
			return e, err.Error()
		}
	}
	if e.RecommendationID != "" {
		if err := recsys.CheckID("recommendation_id", e.RecommendationID); err != nil {
			return e, err.Error()
		}
	}
	return e, ""
}

// Check returns an error if the rows that were mapped leave a choice of how to read
// them. It is called after the last row.
func (m *EventMapper) Check(s Sample) error {
	if m.exchangeable > 0 {
		return fmt.Errorf("in %d rows %s", m.exchangeable, m.question)
	}
	return m.ids.Check(s)
}

// eventType returns the name of a type as it is stored. Types repeat, so the result
// is shared.
func (m *EventMapper) eventType(text string) string {
	if name, ok := m.types[text]; ok {
		return name
	}
	name := strings.TrimSpace(text)
	if name == "" {
		name = m.mapping.EventType
	}
	for from, to := range m.mapping.Types {
		if recsys.SameType(from, name) {
			name = to
			m.renamed[to] = true
			break
		}
	}
	if len(m.types) < 10_000 {
		m.types[strings.Clone(text)] = strings.Clone(name)
	}
	return name
}

func (m *EventMapper) time(c tabular.Cell, e *Event) string {
	e.HasTime = c.Kind != tabular.CellAbsent
	switch c.Kind {
	case tabular.CellAbsent:
		e.At = m.FirstImport.UnixMicro()
	case tabular.CellTime:
		e.At = c.Time
	default:
		at, err := m.mapping.times.Micros(c.Text)
		if err != nil {
			if isDate.MatchString(c.Text) && m.mapping.times.String() == "" {
				if m.exchangeable++; m.question == "" {
					m.question = "the time " + err.Error()
				}
			}
			return "the time " + err.Error()
		}
		e.At = at
	}
	if e.At == 0 && e.HasTime {
		if m.ZeroTime != ZeroMissing {
			return "the time is 0 (1970-01-01), which stands for a missing time; use --zero-time none to give such rows the time of the import"
		}
		e.HasTime, e.At = false, m.FirstImport.UnixMicro()
	}
	switch {
	case e.At < recsys.EarliestEvent.UnixMicro():
		return "the time is before 1971"
	case e.At > m.FirstImport.Add(future).UnixMicro():
		return fmt.Sprintf("the time is more than a day after the first import of this file (%s)", m.FirstImport.Format(time.RFC3339))
	}
	e.OccurredAt = time.UnixMicro(e.At).UTC()
	return ""
}

func (m *EventMapper) number(c tabular.Cell, e *Event) string {
	if c.Kind == tabular.CellAbsent {
		return ""
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(c.Text), 64)
	if c.Kind != tabular.CellText || err != nil {
		return fmt.Sprintf("the value %.40q is not a number", c.Text)
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Sprintf("the value %.40q is not a finite number", c.Text)
	}
	m.value = v
	e.Value = &m.value
	return ""
}
