package mapping

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// ItemMapper converts a record to an item, or returns why it cannot.
type ItemMapper func(r *tabular.Record) (recsys.Item, string)

// PlainItem maps columns that are named like an item's fields.
func PlainItem(r *tabular.Record) (recsys.Item, string) {
	for f := Title; f <= Text; f++ {
		if c := r.Cells[f]; c.Kind == tabular.CellInvalid {
			return recsys.Item{}, fmt.Sprintf("the %s %s", definitions[f].name, c.Text)
		}
	}
	item := recsys.Item{
		ItemID:    r.Cells[Item].String(),
		Title:     OneLine(r.Cells[Title].Text),
		Category:  OneLine(r.Cells[Category].Text),
		Tags:      tags(r.Cells[Tags]),
		Text:      OneLine(r.Cells[Text].Text),
		Available: true,
	}
	if c := r.Cells[Available]; c.Kind == tabular.CellText {
		switch strings.ToLower(strings.TrimSpace(c.Text)) {
		case "true", "t", "yes", "y", "1":
		case "false", "f", "no", "n", "0":
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

// tags splits a single column at | or else ; or else commas.
func tags(c tabular.Cell) []string {
	parts := c.List
	if c.Kind == tabular.CellText {
		for _, separator := range []string{"|", ";", ","} {
			if parts = strings.Split(c.Text, separator); len(parts) > 1 {
				break
			}
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
