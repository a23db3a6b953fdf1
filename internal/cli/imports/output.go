package imports

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/importer"
	"github.com/recflow/recflow/internal/progress"
)

// importProgress shows one task per file.
type importProgress struct {
	printer *progress.Printer

	mu      sync.Mutex
	task    *progress.Task
	file    string
	step    string
	started time.Time // start of the step
}

func newImportProgress(a *app.App) *importProgress { return &importProgress{printer: a.Progress()} }

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
		p.task.Update("%s  %s of %s read, %s rows, %s rows/s", name, megabytes(u.Done), megabytes(u.Total), output.Thousands(u.Rows), output.Thousands(int64(float64(u.Rows)/took)))
	case "write":
		p.task.Update("%s  %s of %s rows written", name, output.Thousands(u.Done), output.Thousands(u.Total))
	}
}

// end completes the task of the previous file.
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
	p.task.Done("%s events and %s items in %.1f s", output.Thousands(r.Events), output.Thousands(r.Items), r.Seconds)
	p.task = nil
}

// explainImport prints details to stderr: the mapping, the first rows as
// events, the first rejected rows, and unusual rows.
func explainImport(a *app.App, r importer.Result) {
	for _, f := range r.Files {
		for _, bad := range f.FirstRejects {
			fmt.Fprintf(a.Err, "%s: %s\n", bad.Place(), bad.Reason)
		}
		if slices.ContainsFunc(f.FirstRejects, func(r importer.Reject) bool { return strings.HasSuffix(r.Reason, "is not valid UTF-8") }) {
			fmt.Fprintf(a.Err, "%s: convert a file in another encoding, for example with iconv -f WINDOWS-1252 -t UTF-8\n", f.File)
		}
		if more := f.Rejected - int64(len(f.FirstRejects)); more > 0 {
			fmt.Fprintf(a.Err, "%s: %s more rows rejected\n", f.File, output.Thousands(more))
		}
	}
	if r.Rejects != "" {
		fmt.Fprintf(a.Err, "rejected rows and their reasons are in %s\n", r.Rejects)
	}
	if a.Quiet {
		return
	}
	for _, f := range r.Files {
		switch {
		case f.Error != "":
			fmt.Fprintf(a.Err, "%s: not imported: %s\n", f.File, strings.TrimPrefix(f.Error, f.File+": "))
			continue
		case r.DryRun:
			printReport(a.Err, f)
		default:
			fmt.Fprintf(a.Err, "%s: %s as %s from %s\n", f.File, f.Format, f.Kind, mappingText(f))
			printWarnings(a.Err, f)
		}
		if f.Continues != "" {
			fmt.Fprintf(a.Err, "%s: %s\n", f.File, f.Continues)
		}
		if f.Replaced > 0 {
			fmt.Fprintf(a.Err, "%s: %s rows repeat an item; the last row of an item is used\n", f.File, output.Thousands(f.Replaced))
		}
		if f.Objects.Removed > 0 {
			fmt.Fprintf(a.Err, "%s: was imported before with another mapping; %d objects of that import were removed\n", f.File, f.Objects.Removed)
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintf(a.Err, "note: %s\n", n)
	}
	if len(r.Ignored) > 0 {
		fmt.Fprintf(a.Err, "\nnot imported:\n  %s\n", strings.Join(r.Ignored, "\n  "))
	}
	if r.DryRun {
		fmt.Fprintln(a.Err, "\ndry run: nothing was written")
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

func importListing(r importer.Result) output.Listing {
	l := output.Listing{
		Columns: []string{"file", "kind", "rows", "accepted", "rejected", "after_until", "days", "from", "to", "objects", "unchanged"},
		JSON:    r,
	}
	for _, f := range r.Files {
		row := []string{
			filepath.Base(f.File), f.Kind, output.Count(f.Rows), output.Count(f.Accepted), output.Count(f.Rejected), output.Count(f.AfterUntil),
			"", "", "", strconv.Itoa(f.Objects.Written), strconv.Itoa(f.Objects.Unchanged),
		}
		if f.Kind == importer.KindEvents {
			row[6] = strconv.Itoa(f.Days)
		}
		if f.From != nil && f.To != nil {
			row[7], row[8] = f.From.Format(time.DateOnly), f.To.Format(time.DateOnly)
		}
		l.Rows = append(l.Rows, row)
	}
	if r.DryRun { // which writes no objects
		last := len(l.Columns) - 2
		l.Columns = l.Columns[:last]
		for i := range l.Rows {
			l.Rows[i] = l.Rows[i][:last]
		}
	}
	return l
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
