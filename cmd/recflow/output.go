package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
)

// listing is a result that can be printed in every output format.
type listing struct {
	columns []string   // names as CSV and the table's head show them
	rows    [][]string // one cell a column
	json    any        // what -o json prints; nil prints the rows as objects
}

// print writes l to stdout in the format of the -o flag.
func (a *app) print(l listing) error {
	switch a.output {
	case "json":
		return a.printJSON(l)
	case "csv":
		w := csv.NewWriter(a.out)
		if err := w.Write(l.columns); err != nil {
			return err
		}
		if err := w.WriteAll(l.rows); err != nil {
			return err
		}
		return w.Error()
	case "table", "":
		_, err := lipgloss.Fprintln(a.out, renderTable(l.columns, l.rows)) // without colours where they are not understood
		return err
	default:
		return exitError{2, fmt.Errorf("output format %q is unknown; use table, json or csv", a.output)}
	}
}

func (a *app) printJSON(l listing) error {
	v := l.json
	if v == nil {
		objects := make([]map[string]string, len(l.rows))
		for i, row := range l.rows {
			objects[i] = make(map[string]string, len(row))
			for j, cell := range row {
				objects[i][l.columns[j]] = cell
			}
		}
		v = objects
	}
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// renderTable draws rows under a head, without vertical lines.
func renderTable(columns []string, rows [][]string) string {
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

// checkOutput refuses an unknown format before any work is done.
func (a *app) checkOutput() error {
	switch a.output {
	case "", "table", "json", "csv":
		return nil
	}
	return exitError{2, fmt.Errorf("output format %q is unknown; use table, json or csv", a.output)}
}
