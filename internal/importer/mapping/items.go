package mapping

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// ItemMapper converts a record to an item, or returns why it cannot.
type ItemMapper func(r *tabular.Record) (recsys.Item, string)

// NewItemMapper returns a mapper for the records of a file with this mapping, and
// the ids that it reads. toItem maps a record of a data set; nil: PlainItem.
func (m *Mapping) NewItemMapper(toItem ItemMapper) (ItemMapper, *IDs) {
	ids := &IDs{mapping: m}
	if toItem == nil {
		toItem = PlainItem
	}
	return func(r *tabular.Record) (recsys.Item, string) {
		id, why := ids.read(Item, r.Cells[Item])
		if why != "" {
			return recsys.Item{}, why
		}
		if id != "" {
			r.Cells[Item] = tabular.Cell{Kind: tabular.CellText, Text: id}
		}
		return toItem(r)
	}, ids
}

// PlainItem maps columns that are named like an item's fields. Of several
// categories the first one is used, and the others become tags.
func PlainItem(r *tabular.Record) (recsys.Item, string) {
	for f := Title; f <= Available; f++ {
		switch c := &r.Cells[f]; {
		case c.Kind == tabular.CellInvalid:
			return recsys.Item{}, fmt.Sprintf("the %s %s", definitions[f].name, c.Text)
		case c.Kind == tabular.CellText && f != Title && recsys.MissingWord(c.Text):
			*c = tabular.Cell{}
		}
	}
	categories := texts(r.Cells[Category])
	item := recsys.Item{
		ItemID:    r.Cells[Item].String(),
		Title:     joined(r.Cells[Title], ", "),
		Tags:      tags(r.Cells[Tags]),
		Text:      joined(r.Cells[Text], " "),
		Available: true,
	}
	if len(categories) > 0 {
		item.Category = categories[0]
		for _, c := range categories[1:] {
			if !slices.Contains(item.Tags, c) {
				item.Tags = append(item.Tags, c)
			}
		}
	}
	if c := r.Cells[Available]; c.Kind == tabular.CellText {
		switch strings.ToLower(strings.TrimSpace(c.Text)) {
		case "true", "t", "yes", "y", "1", "1.0":
		case "false", "f", "no", "n", "0", "0.0":
			item.Available = false
		default:
			return item, fmt.Sprintf("available %.40q is neither true nor false", c.Text)
		}
	}
	return item, CheckItem(item)
}

// CheckItem returns why an item is rejected.
func CheckItem(i recsys.Item) string {
	if err := i.Check(); err != nil {
		return err.Error()
	}
	return ""
}

// joined returns the text of a cell on one line; those of a list are joined.
func joined(c tabular.Cell, separator string) string {
	if c.Kind == tabular.CellText {
		return OneLine(c.Text)
	}
	return strings.Join(texts(c), separator)
}

// texts returns the texts of a cell, each on one line: those of a list, also of one
// that is written as text.
func texts(c tabular.Cell) []string {
	parts := c.List
	if c.Kind == tabular.CellText {
		var ok bool
		if parts, ok = listText(c.Text); !ok {
			parts = []string{c.Text}
		}
	}
	var out []string
	for _, p := range parts {
		if p = OneLine(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// tags returns the texts of a cell. A single text is split at | or else ; or else
// commas. A tag that repeats is dropped.
func tags(c tabular.Cell) []string {
	parts := texts(c)
	if c.Kind == tabular.CellText && len(parts) == 1 && parts[0] == OneLine(c.Text) {
		for _, separator := range []string{"|", ";", ","} {
			if parts = strings.Split(c.Text, separator); len(parts) > 1 {
				break
			}
		}
	}
	var out []string
	for _, p := range parts {
		if p = OneLine(p); p != "" && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// OneLine converts text to a single line: control characters, some of which
// Postgres rejects and terminals interpret, and runs of spaces become one
// space.
func OneLine(s string) string {
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		clean = s[i] > ' ' && s[i] < 0x7f || s[i] == ' ' && i > 0 && i+1 < len(s) && s[i+1] != ' '
	}
	if clean || !utf8.ValidString(s) {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }), " ")
}
