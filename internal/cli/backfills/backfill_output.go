package backfills

import (
	"fmt"
	"strconv"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
)

func backfillListing(found []apiclient.Backfill, value any) output.Listing {
	l := output.Listing{Columns: []string{"id", "kind", "state", "from", "to", "windows", "succeeded", "failed", "skipped", "actor", "created_at"}, JSON: value}
	for _, b := range found {
		l.Rows = append(l.Rows, []string{b.ID, b.Kind, b.State, output.Timestamp(b.From), output.Timestamp(b.To), strconv.Itoa(b.Count.Total), strconv.Itoa(b.Count.Succeeded),
			strconv.Itoa(b.Count.Failed), strconv.Itoa(b.Count.Skipped), b.Actor, output.Timestamp(b.CreatedAt)})
	}
	return l
}

// printBackfill prints the windows, with the metrics of an as_of or the files of
// lists.
func printBackfill(a *app.App, b apiclient.Backfill) error {
	if b.Kind == backfill.Lists {
		return printLists(a, b)
	}
	l := output.Listing{Columns: []string{"window", "up_to", "state", "version", "rows", "ndcg@100", "recall@20", "popularity_ndcg@100", "seconds", "attempt", "note"}, JSON: b}
	for _, s := range b.Windows {
		row := []string{strconv.Itoa(s.Index), output.Timestamp(s.To), s.State, "", "", "", "", "", seconds(s.Window), strconv.Itoa(s.Attempt), windowNote(s.Window)}
		if s.Version > 0 {
			row[3] = output.Count(s.Version)
		}
		if s.Rows > 0 {
			row[4] = output.Count(s.Rows)
		}
		if m := s.Metrics; m != nil && m.Users > 0 {
			row[5], row[6], row[7] = metricText(m.Candidate, "ndcg@100"), metricText(m.Candidate, "recall@20"), metricText(m.Popularity, "ndcg@100")
		}
		l.Rows = append(l.Rows, row)
	}
	return a.Print(l)
}

func printLists(a *app.App, b apiclient.Backfill) error {
	l := output.Listing{Columns: []string{"window", "state", "lists", "files", "bytes", "seconds", "attempt", "note"}, JSON: b}
	for _, s := range b.Windows {
		row := []string{strconv.Itoa(s.Index), s.State, output.Count(s.Rows), "", "", seconds(s.Window), strconv.Itoa(s.Attempt), windowNote(s.Window)}
		if s.Lists != nil {
			var bytes int64
			for _, f := range s.Lists.Files {
				bytes += f.Bytes
			}
			row[3], row[4] = strconv.Itoa(len(s.Lists.Files)), output.Count(bytes)
		}
		l.Rows = append(l.Rows, row)
	}
	if b.Manifest != "" && !a.Quiet {
		fmt.Fprintf(a.Err, "lists of version %d; manifest %s\n", b.Version, b.Manifest)
	}
	return a.Print(l)
}

// seconds returns the duration of a window that has ended, or "".
func seconds(s backfill.Window) string {
	if s.EndedAt.IsZero() || s.StartedAt.IsZero() {
		return ""
	}
	return strconv.FormatFloat(s.EndedAt.Sub(s.StartedAt).Seconds(), 'f', 0, 64)
}

// windowNote describes a window in addition to its state.
func windowNote(s backfill.Window) string {
	switch n := len(s.Earlier); {
	case s.State == backfill.Succeeded && s.Metrics != nil && output.PopularityWins(*s.Metrics) != "":
		return "POPULARITY IS NOT BEATEN"
	case s.Error != "":
		return s.Error
	case s.State == backfill.Pending || s.State == backfill.Skipped:
		return s.Reason
	case s.State == backfill.Running && n > 0:
		return "before: " + s.Earlier[n-1].Error
	}
	return ""
}

func metricText(of map[string]recsys.Metric, name string) string {
	m, ok := of[name]
	if !ok {
		return ""
	}
	return strconv.FormatFloat(m.Value, 'f', 4, 64)
}

func printPlan(a *app.App, p apiclient.Plan) error {
	if !a.Quiet {
		fmt.Fprintln(a.Err, planLine(p)+"; nothing was started")
	}
	for _, w := range p.Warnings {
		about := ""
		if w.File != "" {
			about = w.File + ": "
		}
		fmt.Fprintln(a.Err, "warning: "+about+w.Message)
	}
	if p.Lists != nil {
		return a.Print(listsPlan(p))
	}
	l := output.Listing{Columns: []string{"window", "from", "to", "decision", "files", "bytes", "rows", "minutes", "reason"}, JSON: p}
	for _, s := range p.Windows {
		l.Rows = append(l.Rows, []string{strconv.Itoa(s.Index), output.Timestamp(s.From), output.Timestamp(s.To), s.Decision, strconv.Itoa(s.Files), output.Count(s.Bytes),
			rowsText(s), minutesText(s), s.Reason})
	}
	return a.Print(l)
}

func listsPlan(p apiclient.Plan) output.Listing {
	l := output.Listing{Columns: []string{"window", "lists", "bytes", "minutes"}, JSON: p}
	for _, s := range p.Windows {
		l.Rows = append(l.Rows, []string{strconv.Itoa(s.Index), rowsText(s), "about " + output.Count(s.Bytes), minutesText(s)})
	}
	return l
}

// planLine sums up a plan.
func planLine(p apiclient.Plan) string {
	text := fmt.Sprintf("%d windows would run, %d would be skipped", p.Run, p.Skip)
	if p.Lists != nil {
		text = fmt.Sprintf("%s lists of version %d in %d windows, about %s bytes", output.Thousands(p.Lists.Users), p.Lists.Version, p.Run, output.Thousands(p.Lists.Bytes))
	}
	switch {
	case p.Minutes > 0 && p.Minutes < 1:
		text += "; less than a minute"
	case p.Minutes > 0:
		text += fmt.Sprintf("; about %.0f minutes", p.Minutes)
	}
	return text
}

func rowsText(s apiclient.PlanWindow) string {
	if s.RowsEstimated {
		return "about " + output.Count(s.Rows)
	}
	return output.Count(s.Rows)
}

func minutesText(s apiclient.PlanWindow) string {
	if s.Minutes == 0 {
		return ""
	}
	return strconv.FormatFloat(s.Minutes, 'f', 1, 64)
}
