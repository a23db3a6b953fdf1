package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// report lists the built artifacts.
type report struct {
	Artifacts []artifact `json:"artifacts"`
	Pushed    []pushed   `json:"pushed,omitempty"`
}

// print writes a report as a table or as JSON.
func print(w io.Writer, format string, r report) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, a := range r.Artifacts {
		fmt.Fprintf(t, "%s\t%s\t%s\n", a.SHA256, a.Path, size(a.Bytes))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, p := range r.Pushed {
		fmt.Fprintf(w, "pushed %s (tag %s)\n", p.URI, p.Tag)
	}
	return nil
}

// size formats a number of bytes for display.
func size(n int64) string {
	if n < 1e6 {
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
