package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/recflow/recflow/internal/importer"
	"github.com/recflow/recflow/internal/progress"
)

// importProgress draws one task a file.
type importProgress struct {
	printer *progress.Printer

	mu      sync.Mutex
	task    *progress.Task
	file    string
	step    string
	started time.Time // of the step
}

func (a *app) newImportProgress() *importProgress { return &importProgress{printer: a.progress()} }

func (p *importProgress) update(u importer.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != u.File {
		p.end()
		p.file, p.step = u.File, ""
		p.task = p.printer.Start("import", filepath.Base(u.File))
	}
	if p.step != u.Step {
		p.step, p.started = u.Step, time.Now()
	}
	name := filepath.Base(u.File)
	took := max(time.Since(p.started).Seconds(), 0.001)
	switch u.Step {
	case "hash":
		p.task.Update("%s  hashing, %s", name, megabytes(u.Done))
	case "read":
		p.task.Update("%s  %s of %s read, %s rows, %s rows/s", name, megabytes(u.Done), megabytes(u.Total), thousands(u.Rows), thousands(int64(float64(u.Rows)/took)))
	case "write":
		p.task.Update("%s  %s of %s rows written", name, thousands(u.Done), thousands(u.Total))
	}
}

// end closes the task of the file before.
func (p *importProgress) end() {
	if p.task != nil {
		p.task.Done("%s", filepath.Base(p.file))
		p.task = nil
	}
}

func (p *importProgress) fail() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.task != nil {
		p.task.Fail()
		p.task = nil
	}
}

func (p *importProgress) done(r importer.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.task == nil {
		return
	}
	p.task.Done("%s events and %s items in %.1f s", thousands(r.Events), thousands(r.Items), r.Seconds)
	p.task = nil
}

// explainImport says on stderr what a table has no room for: the mapping, the
// first rows as they were understood, the first bad ones, and what is odd.
func (a *app) explainImport(r importer.Result) {
	for _, f := range r.Files {
		for _, bad := range f.FirstRejects {
			fmt.Fprintf(a.err, "%s: %s\n", bad.Place(), bad.Reason)
		}
		if slices.ContainsFunc(f.FirstRejects, func(r importer.Reject) bool { return strings.HasSuffix(r.Reason, "is not valid UTF-8") }) {
			fmt.Fprintf(a.err, "%s: convert a file in another encoding, for example with iconv -f WINDOWS-1252 -t UTF-8\n", f.File)
		}
		if more := f.Rejected - int64(len(f.FirstRejects)); more > 0 {
			fmt.Fprintf(a.err, "%s: %s more rows rejected\n", f.File, thousands(more))
		}
	}
	if r.Rejects != "" {
		fmt.Fprintf(a.err, "rejected rows and their reasons are in %s\n", r.Rejects)
	}
	if a.quiet {
		return
	}
	for _, f := range r.Files {
		fmt.Fprintf(a.err, "%s: %s as %s from %s\n", f.File, f.Format, f.Kind, mappingText(f))
		if r.DryRun {
			a.printSamples(f)
		}
		if f.NoTime > 0 {
			fmt.Fprintf(a.err, "%s: %s events without a time got that of the first import, %s\n", f.File, thousands(f.NoTime), f.FirstImportedAt.Format(time.RFC3339))
		}
		if f.Rows == 0 {
			fmt.Fprintf(a.err, "%s: has no rows below its header\n", f.File)
		}
		if f.Replaced > 0 {
			fmt.Fprintf(a.err, "%s: %s rows name an item again; its last row counts\n", f.File, thousands(f.Replaced))
		}
		if f.Objects.Removed > 0 {
			fmt.Fprintf(a.err, "%s: was imported before with another mapping; %d objects of that import were removed\n", f.File, f.Objects.Removed)
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintf(a.err, "note: %s\n", n)
	}
	if len(r.Ignored) > 0 {
		fmt.Fprintf(a.err, "not imported: %s\n", strings.Join(r.Ignored, ", "))
	}
	if r.DryRun {
		fmt.Fprintln(a.err, "dry run: nothing was written")
	}
}

func (a *app) printSamples(f importer.FileResult) {
	show := func(v any) {
		if line, err := json.Marshal(v); err == nil {
			fmt.Fprintf(a.err, "  %s\n", line)
		}
	}
	for _, e := range f.SampleEvents {
		show(e)
	}
	for _, i := range f.SampleItems {
		show(i)
	}
}

func mappingText(f importer.FileResult) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(f.Columns)) {
		parts = append(parts, fmt.Sprintf("%s=%s", name, f.Columns[name]))
	}
	if f.EventType != "" {
		parts = append(parts, "event type "+f.EventType)
	}
	return strings.Join(parts, ", ")
}

func importListing(r importer.Result) listing {
	l := listing{
		columns: []string{"file", "kind", "rows", "accepted", "rejected", "later", "days", "from", "to", "objects", "unchanged"},
		json:    r,
	}
	for _, f := range r.Files {
		row := []string{
			filepath.Base(f.File), f.Kind, count(f.Rows), count(f.Accepted), count(f.Rejected), count(f.AfterUntil),
			"", "", "", strconv.Itoa(f.Objects.Written), strconv.Itoa(f.Objects.Unchanged),
		}
		if f.Kind == importer.KindEvents {
			row[6] = strconv.Itoa(f.Days)
		}
		if f.From != nil && f.To != nil {
			row[7], row[8] = f.From.Format(time.DateOnly), f.To.Format(time.DateOnly)
		}
		l.rows = append(l.rows, row)
	}
	return l
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// thousands writes a count for people: 1,469,307.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
