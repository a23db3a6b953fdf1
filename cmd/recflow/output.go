package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
	"github.com/goccy/go-yaml"
)

// listing is a result that can be printed in every output format.
type listing struct {
	columns []string   // names as CSV and the table's head show them
	rows    [][]string // one cell a column
	json    any        // what -o json and -o yaml print; nil prints the rows as objects
}

// print writes l to stdout in the format of the -o flag.
func (a *app) print(l listing) error {
	switch a.output {
	case "json":
		return a.printJSON(l)
	case "yaml":
		return a.printYAML(l)
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
	}
	return a.checkOutput()
}

func (a *app) printJSON(l listing) error {
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(l.value())
}

// printYAML prints what printJSON prints, in the same order.
func (a *app) printYAML(l listing) error {
	data, err := json.Marshal(l.value())
	if err != nil {
		return err
	}
	if data, err = yaml.JSONToYAML(data); err != nil {
		return err
	}
	_, err = a.out.Write(data)
	return err
}

// value is what programs read.
func (l listing) value() any {
	if l.json != nil {
		return l.json
	}
	objects := make([]map[string]string, len(l.rows))
	for i, row := range l.rows {
		objects[i] = make(map[string]string, len(row))
		for j, cell := range row {
			objects[i][l.columns[j]] = cell
		}
	}
	return objects
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
	case "", "table", "json", "yaml", "csv":
		return nil
	}
	return exitError{2, fmt.Errorf("output format %q is unknown; use table, json, yaml or csv", a.output)}
}
