package importer

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/recflow/recflow/internal/recsys"
)

// event is an accepted row of interactions. Its id is worked out when it is
// written, unless the row gave one.
type event struct {
	row int64
	recsys.Event
	hasID bool
	at    int64 // OccurredAt in microseconds
}

// eventShaper turns records into events, or says why one cannot be an event.
type eventShaper struct {
	event string    // the type where the row has none
	first time.Time // of the file's import: the time of rows without one

	value float64 // what the last event's Value points at
}

// future is how far ahead of the file's first import an event may be: clocks
// differ, and a day covers a forgotten time zone. The reference is the *first*
// import, so that a second one judges every row alike.
const future = 24 * time.Hour

func (s *eventShaper) shape(r *record) (e event, why string) {
	for _, f := range eventFields {
		switch c := &r.cells[f]; c.kind {
		case cellList:
			return e, fmt.Sprintf("the %s is a list", guesses[f].name)
		case cellInvalid:
			return e, fmt.Sprintf("the %s %s", guesses[f].name, c.text)
		}
	}
	e.row = r.row
	e.UserID, e.ItemID = idText(r.cells[fieldUser]), idText(r.cells[fieldItem])
	e.EventType = strings.TrimSpace(idText(r.cells[fieldType]))
	e.SessionID, e.RecommendationID = idText(r.cells[fieldSession]), idText(r.cells[fieldRecommendation])
	if e.EventType == "" {
		e.EventType = s.event
	}
	if e.EventID = idText(r.cells[fieldEventID]); e.EventID != "" {
		e.hasID = true
	} else {
		e.EventID = "derived" // from the row, which cannot fail
	}
	if why := s.time(r.cells[fieldTime], &e); why != "" {
		return e, why
	}
	if why := s.number(r.cells[fieldValue], &e); why != "" {
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

func (s *eventShaper) time(c cell, e *event) string {
	switch c.kind {
	case cellAbsent:
		e.at = s.first.UnixMicro()
	case cellInstant:
		e.at = c.at
	default:
		at, err := parseTime(c.text)
		if err != nil {
			return "the time " + err.Error()
		}
		e.at = at
	}
	switch {
	case e.at < 0:
		return "the time is before 1970"
	case e.at > s.first.Add(future).UnixMicro():
		return fmt.Sprintf("the time is more than a day after the first import of this file (%s)", s.first.Format(time.RFC3339))
	}
	e.OccurredAt = time.UnixMicro(e.at).UTC()
	return ""
}

func (s *eventShaper) number(c cell, e *event) string {
	if c.kind == cellAbsent {
		return ""
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(c.text), 64)
	if c.kind != cellText || err != nil {
		return fmt.Sprintf("the value %.40q is not a number", c.text)
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Sprintf("the value %.40q is not a finite number", c.text)
	}
	s.value = v
	e.Value = &s.value
	return ""
}

// idText is a cell as an id: a typed time is written as RFC 3339.
func idText(c cell) string {
	switch c.kind {
	case cellText:
		return c.text
	case cellInstant:
		return time.UnixMicro(c.at).UTC().Format(time.RFC3339Nano)
	}
	return ""
}

// itemShaper turns a record into an item, or says why it cannot be one.
type itemShaper func(r *record) (recsys.Item, string)

// plainItem shapes an item from columns named as an item's fields.
func plainItem(r *record) (recsys.Item, string) {
	for f := fieldTitle; f <= fieldText; f++ {
		if c := r.cells[f]; c.kind == cellInvalid {
			return recsys.Item{}, fmt.Sprintf("the %s %s", guesses[f].name, c.text)
		}
	}
	item := recsys.Item{
		ItemID:    idText(r.cells[fieldItem]),
		Title:     tidy(r.cells[fieldTitle].text),
		Category:  tidy(r.cells[fieldCategory].text),
		Tags:      tags(r.cells[fieldTags]),
		Text:      tidy(r.cells[fieldText].text),
		Available: true,
	}
	if c := r.cells[fieldAvailable]; c.kind == cellText {
		switch strings.ToLower(strings.TrimSpace(c.text)) {
		case "true", "t", "yes", "y", "1":
		case "false", "f", "no", "n", "0":
			item.Available = false
		default:
			return item, fmt.Sprintf("available %.40q is neither true nor false", c.text)
		}
	}
	return item, checkItem(item)
}

// checkItem returns why an item is refused.
func checkItem(i recsys.Item) string {
	if err := i.Check(); err != nil {
		return err.Error()
	}
	return ""
}

// tags splits what a single column holds at | or else ; or else commas.
func tags(c cell) []string {
	parts := c.list
	if c.kind == cellText {
		for _, separator := range []string{"|", ";", ","} {
			if parts = strings.Split(c.text, separator); len(parts) > 1 {
				break
			}
		}
	}
	var out []string
	for _, p := range parts {
		if p = tidy(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// tidy makes text of one line: control characters, which Postgres partly
// refuses and terminals obey, and runs of spaces become one space.
func tidy(s string) string {
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		clean = s[i] > ' ' && s[i] < 0x7f || s[i] == ' ' && i > 0 && i+1 < len(s) && s[i+1] != ' '
	}
	if clean || !utf8.ValidString(s) {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }), " ")
}
