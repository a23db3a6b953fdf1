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

// printBackfill prints the windows, with the metrics of an as_of.
func printBackfill(a *app.App, b apiclient.Backfill) error {
	l := output.Listing{Columns: []string{"window", "up_to", "state", "version", "rows", "ndcg@100", "recall@20", "popularity_ndcg@100", "seconds", "attempt", "note"}, JSON: b}
	for _, s := range b.Windows {
		row := []string{strconv.Itoa(s.Index), output.Timestamp(s.To), s.State, "", "", "", "", "", "", strconv.Itoa(s.Attempt), windowNote(s.Window)}
		if s.Version > 0 {
			row[3] = output.Count(s.Version)
		}
		if s.Rows > 0 {
			row[4] = output.Count(s.Rows)
		}
		if m := s.Metrics; m != nil && m.Users > 0 {
			row[5], row[6], row[7] = metricText(m.Candidate, "ndcg@100"), metricText(m.Candidate, "recall@20"), metricText(m.Popularity, "ndcg@100")
		}
		if !s.EndedAt.IsZero() && !s.StartedAt.IsZero() {
			row[8] = strconv.FormatFloat(s.EndedAt.Sub(s.StartedAt).Seconds(), 'f', 0, 64)
		}
		l.Rows = append(l.Rows, row)
	}
	return a.Print(l)
}

// windowNote describes a window in addition to its state.
func windowNote(s backfill.Window) string {
	switch n := len(s.Earlier); {
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
	l := output.Listing{Columns: []string{"window", "from", "to", "decision", "files", "bytes", "rows", "minutes", "reason"}, JSON: p}
	for _, s := range p.Windows {
		rows := output.Count(s.Rows)
		if s.RowsEstimated {
			rows = "about " + rows
		}
		minutes := ""
		if s.Minutes > 0 {
			minutes = strconv.FormatFloat(s.Minutes, 'f', 1, 64)
		}
		l.Rows = append(l.Rows, []string{strconv.Itoa(s.Index), output.Timestamp(s.From), output.Timestamp(s.To), s.Decision, strconv.Itoa(s.Files), output.Count(s.Bytes), rows, minutes, s.Reason})
	}
	if !a.Quiet {
		text := fmt.Sprintf("%d windows would run, %d would be skipped", p.Run, p.Skip)
		if p.Minutes > 0 {
			text += fmt.Sprintf("; about %.0f minutes", p.Minutes)
		}
		fmt.Fprintln(a.Err, text+"; nothing was started")
	}
	for _, w := range p.Warnings {
		about := ""
		if w.File != "" {
			about = w.File + ": "
		}
		fmt.Fprintln(a.Err, "warning: "+about+w.Message)
	}
	return a.Print(l)
}
