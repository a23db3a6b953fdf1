package imports

import (
	"fmt"
	"io"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/importer"
	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/importer/report"
)

// reportWidth is the width of the paragraphs of a report, in characters.
const reportWidth = 100

// printReport prints what a dry run has found in a file.
func printReport(w io.Writer, f importer.FileResult) {
	r := f.Report
	fmt.Fprintf(w, "\n%s: %s, because %s (%s)\n\n", f.File, f.Kind, r.Why, strings.Join(append([]string{f.Format}, r.Dialect...), ", "))
	indent(w, output.Table([]string{"column", "read_as", "example"}, columnRows(r.Columns)))
	fmt.Fprintf(w, "\n  %s\n", contentText(f))
	if m := r.Matches; m != nil && (m.Users != nil || m.Items != nil) {
		var known []string
		if m.Users != nil {
			known = append(known, output.Percent(*m.Users)+" of the users")
		}
		if m.Items != nil {
			known = append(known, output.Percent(*m.Items)+" of the items")
		}
		fmt.Fprintf(w, "  %s are known from earlier imports\n", strings.Join(known, " and "))
	}
	if len(r.Types) > 0 {
		fmt.Fprintln(w)
		indent(w, output.Table([]string{"event_type", "events", "share", "weight", "counting", "values"}, typeRows(f)))
	}
	if f.Kind == importer.KindItems {
		printItems(w, f)
	}
	fmt.Fprintln(w)
	printWarnings(w, f)
	if len(r.Warnings) == 0 {
		fmt.Fprintln(w, "  no warnings")
	}
}

func columnRows(uses []mapping.Use) [][]string {
	rows := make([][]string, len(uses))
	for i, u := range uses {
		as := u.Field
		switch {
		case as == "":
			as = "ignored"
		case u.Whole:
			as += " (101.0 as 101)"
		case u.How == mapping.HowFlag || u.How == mapping.HowRecipe:
			as += " (by " + string(u.How) + ")"
		}
		rows[i] = []string{u.Column, as, u.Example}
	}
	return rows
}

// contentText describes how much a file has.
func contentText(f importer.FileResult) string {
	r := f.Report
	about := ""
	if r.Estimated {
		about = "about "
	}
	if f.Kind == importer.KindItems {
		return fmt.Sprintf("%s items in %s rows", output.Thousands(f.Accepted), output.Thousands(f.Rows))
	}
	text := fmt.Sprintf("%s events of %s%s users and %s%s items", output.Thousands(f.Accepted+f.Continued), about, output.Thousands(r.Users), about, output.Thousands(r.Items))
	if f.From != nil && f.To != nil && r.NoTime < 1 { // otherwise they are the time of the import
		text += fmt.Sprintf(", %s to %s", shortTime(*f.From), shortTime(*f.To))
	}
	if f.Skipped > 0 {
		text += fmt.Sprintf("; %s rows about something else skipped", output.Thousands(f.Skipped))
	}
	if f.Rejected > 0 {
		text += fmt.Sprintf("; %s rows rejected", output.Thousands(f.Rejected))
	}
	if n := r.RepeatedIDs + r.RepeatedContents; n > 0 {
		text += fmt.Sprintf("; %s rows repeat an event id, %s a content", output.Thousands(r.RepeatedIDs), output.Thousands(r.RepeatedContents))
	}
	return text
}

func shortTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

func typeRows(f importer.FileResult) [][]string {
	const most = 12
	total := float64(f.Accepted + f.Continued + f.AfterUntil)
	var rows [][]string
	for i, t := range f.Report.Types {
		if i == most {
			rows = append(rows, []string{fmt.Sprintf("and %d more", len(f.Report.Types)-most), "", "", "", "", ""})
			break
		}
		values := ""
		if t.Low != nil {
			values = fmt.Sprintf("%g to %g", *t.Low, *t.High)
			if *t.Low == *t.High {
				values = fmt.Sprintf("%g", *t.Low)
			}
		}
		counting := output.Percent(float64(t.Counting) / float64(t.Events))
		if t.CountsFrom > 0 {
			counting += fmt.Sprintf(" (from %g)", t.CountsFrom)
		}
		rows = append(rows, []string{
			t.Type, output.Thousands(t.Events), output.Percent(float64(t.Events) / total), fmt.Sprintf("%g", t.Weight),
			counting, values,
		})
	}
	return rows
}

// printItems prints the first items of a catalog.
func printItems(w io.Writer, f importer.FileResult) {
	rows := make([][]string, len(f.SampleItems))
	for i, x := range f.SampleItems {
		rows[i] = []string{x.ItemID, x.Title, x.Category, strings.Join(x.Tags, ", "), output.YesNo(x.Available)}
	}
	fmt.Fprintln(w)
	indent(w, output.Table([]string{"item", "title", "category", "tags", "available"}, rows))
}

func printWarnings(w io.Writer, f importer.FileResult) {
	if f.Report == nil {
		return
	}
	for _, x := range f.Report.Warnings {
		if x.Code == report.RejectedRows {
			continue // the rows are listed
		}
		text := strings.Split(output.Wrap(x.Message, reportWidth), "\n")
		fmt.Fprintf(w, "  warning: %s\n", strings.Join(text, "\n           "))
	}
}

func indent(w io.Writer, text string) {
	for line := range strings.Lines(text) {
		_, _ = lipgloss.Fprintln(w, "  "+strings.TrimRight(line, " \n")) // without colors on a terminal that does not support them
	}
}
