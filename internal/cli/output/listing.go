// Package output formats results: tables, and times, counts and text for display.
package output

import (
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
)

// Listing is a result that can be printed in every output format.
type Listing struct {
	Columns []string   // column names in CSV and in the table head
	Rows    [][]string // one cell per column
	JSON    any        // value of -o json and -o yaml; nil prints the rows as objects
}

// Value returns the machine-readable value.
func (l Listing) Value() any {
	if l.JSON != nil {
		return l.JSON
	}
	objects := make([]map[string]string, len(l.Rows))
	for i, row := range l.Rows {
		objects[i] = make(map[string]string, len(row))
		for j, cell := range row {
			objects[i][l.Columns[j]] = cell
		}
	}
	return objects
}

// Table formats rows under a header, without vertical lines.
func Table(columns []string, rows [][]string) string {
	heads := make([]string, len(columns))
	for i, c := range columns {
		heads[i] = strings.ToUpper(strings.ReplaceAll(c, "_", " "))
	}
	return table.New().
		Border(lipgloss.HiddenBorder()).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).
		BorderHeader(false).BorderColumn(false).
		StyleFunc(func(row, _ int) lipgloss.Style {
			s := lipgloss.NewStyle().PaddingRight(2)
			if row == table.HeaderRow {
				return s.Bold(true)
			}
			return s
		}).
		Headers(heads...).
		Rows(rows...).
		String()
}
