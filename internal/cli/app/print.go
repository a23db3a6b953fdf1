package app

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"

	"charm.land/lipgloss/v2"
	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/progress"
)

// Print writes l to stdout in the format of the -o flag.
func (a *App) Print(l output.Listing) error {
	switch a.Output {
	case "json":
		return a.PrintJSON(l)
	case "yaml":
		return a.printYAML(l)
	case "csv":
		w := csv.NewWriter(a.Out)
		if err := w.Write(l.Columns); err != nil {
			return err
		}
		if err := w.WriteAll(l.Rows); err != nil {
			return err
		}
		return w.Error()
	case "table", "":
		_, err := lipgloss.Fprintln(a.Out, output.Table(l.Columns, l.Rows)) // without colors on a terminal that does not support them
		return err
	}
	return a.checkOutput()
}

// PrintJSON writes l to stdout as JSON, regardless of the -o flag.
func (a *App) PrintJSON(l output.Listing) error {
	enc := json.NewEncoder(a.Out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(l.Value())
}

// printYAML prints the same data as PrintJSON, in the same order.
func (a *App) printYAML(l output.Listing) error {
	data, err := json.Marshal(l.Value())
	if err != nil {
		return err
	}
	if data, err = yaml.JSONToYAML(data); err != nil {
		return err
	}
	_, err = a.Out.Write(data)
	return err
}

// checkOutput rejects an unknown format before any work is done.
func (a *App) checkOutput() error {
	switch a.Output {
	case "", "table", "json", "yaml", "csv":
		return nil
	}
	return UsageError(fmt.Errorf("unknown output format %q; use table, json, yaml or csv", a.Output))
}

// AddOutputFlag adds the -o flag to cmd.
func (a *App) AddOutputFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.Output, "output", "o", "table", "output format: table, json, yaml or csv")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml", "csv"}, cobra.ShellCompDirectiveNoFileComp))
}

// Progress prints to stderr, unless --quiet is set.
func (a *App) Progress() *progress.Printer {
	if a.Quiet {
		return progress.Discard()
	}
	return progress.New(a.Err)
}

// PrintTable writes a table to stdout.
func (a *App) PrintTable(columns []string, rows [][]string) error {
	_, err := lipgloss.Fprintln(a.Out, output.Table(columns, rows))
	return err
}

// PrintSection prints a titled table, or nothing when it has no rows.
func (a *App) PrintSection(title string, l output.Listing) {
	if len(l.Rows) == 0 {
		return
	}
	rows := make([][]string, len(l.Rows))
	for i, row := range l.Rows {
		rows[i] = slices.Clone(row)
		for j, cell := range row {
			rows[i][j] = output.Wrap(cell, 90)
		}
	}
	fmt.Fprintln(a.Out, title)
	lipgloss.Fprintln(a.Out, output.Table(l.Columns, rows))
}
