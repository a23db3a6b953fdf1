package backfills

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/progress"
	"github.com/recflow/recflow/internal/recsys"
)

func newWatchCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "watch ID",
		Short:             "Follow a backfill to its end",
		Long:              "Follows a backfill to its end. Ctrl-C stops the watching, not the backfill.",
		Example:           "  recflow backfill watch ID",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeBackfills(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			b, err := api.Backfill(cmd.Context(), args[0], 0, 0)
			if err != nil {
				return app.ExplainAPI(err)
			}
			return watchBackfill(cmd.Context(), a, api, b)
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

const (
	// backfillEvery is how often a backfill is looked at whose ledger does not change:
	// its trainings go on meanwhile.
	backfillEvery = 2 * time.Second
	// backfillTries is how often a look may fail in a row before the watching ends.
	backfillTries = 15
)

// watchBackfill shows a backfill on stderr until it ends, then prints what came
// of it. Interrupted, it leaves the backfill going.
func watchBackfill(ctx context.Context, a *app.App, api *apiclient.Client, b apiclient.Backfill) error {
	shown := &backfillDisplay{printer: a.Progress().Calm(lineEvery)}
	failures := 0
	for {
		shown.update(b)
		if b.Over() {
			break
		}
		next, err := api.Backfill(ctx, b.ID, backfillEvery, b.Revision)
		switch {
		case err == nil:
			b, failures = next, 0
			continue
		case ctx.Err() != nil:
			shown.task.Leave()
			fmt.Fprintf(a.Err, "the backfill goes on; follow it with `recflow backfill watch %[1]s`, stop it with `recflow backfill cancel %[1]s`\n", b.ID)
			return ctx.Err()
		}
		if failures++; failures == backfillTries {
			shown.task.Leave()
			return app.ExplainAPI(err)
		}
		if err := app.SleepUntil(ctx, time.Now().Add(backfillEvery)); err != nil {
			continue
		}
	}
	shown.finish(b)
	if err := printBackfill(a, b); err != nil {
		return err
	}
	return backfillError(b)
}

// errBackfillCancelled ends the watching of a backfill that somebody stopped.
var errBackfillCancelled = errors.New("was cancelled")

// backfillError says how a backfill ended, unless it ended well.
func backfillError(b apiclient.Backfill) error {
	switch b.State {
	case backfill.Succeeded:
		return nil
	case backfill.Cancelled:
		return fmt.Errorf("backfill %s %w", b.ID, errBackfillCancelled)
	}
	if b.Error != "" {
		return fmt.Errorf("backfill %s failed: %s", b.ID, b.Error)
	}
	first := slices.IndexFunc(b.Slices, func(s apiclient.Slice) bool { return s.State == backfill.Failed })
	if first < 0 {
		return fmt.Errorf("backfill %s failed", b.ID)
	}
	return fmt.Errorf("%d of %d slices of backfill %s failed, the first: %s; fix the cause, then run them again with `recflow backfill retry %s`",
		b.Count.Failed, b.Count.Total, b.ID, b.Slices[first].Error, b.ID)
}

// backfillDisplay shows a line for each slice that ends, and one that lives.
type backfillDisplay struct {
	printer *progress.Printer
	task    *progress.Task
	told    map[int]bool
}

func (d *backfillDisplay) update(b apiclient.Backfill) {
	if d.task == nil {
		d.task, d.told = d.printer.Start("backfill", "waiting for a worker"), map[int]bool{}
	}
	for _, s := range b.Slices {
		if d.told[s.Index] || s.EndedAt.IsZero() {
			continue
		}
		d.told[s.Index] = true
		d.printer.Printf("%s", sliceLine(s))
	}
	d.task.Update("%s", backfillLine(b))
}

func (d *backfillDisplay) finish(b apiclient.Backfill) {
	if b.State == backfill.Succeeded {
		d.task.Done("%s", backfillLine(b))
		return
	}
	d.task.Fail()
}

// sliceLine says what became of a slice.
func sliceLine(s apiclient.Slice) string {
	text := fmt.Sprintf("slice %d, up to %s: %s", s.Index, s.To.Format(time.DateOnly), s.State)
	switch {
	case s.State == backfill.Succeeded:
		text += fmt.Sprintf(", version %d in %s", s.Version, s.EndedAt.Sub(s.StartedAt).Round(time.Second))
	case s.Error != "":
		text += ": " + s.Error
	}
	return text
}

// backfillLine says how far a backfill is.
func backfillLine(b apiclient.Backfill) string {
	ended := b.Count.Total - b.Count.Pending - b.Count.Running
	text := fmt.Sprintf("%d of %d slices", ended, b.Count.Total)
	for _, s := range b.Slices {
		if s.State != backfill.Running {
			continue
		}
		text += fmt.Sprintf("; slice %d", s.Index)
		if p := s.Progress; p != nil {
			text += ": " + p.Stage
			if p.Detail != "" {
				text += ", " + p.Detail
			}
		}
	}
	if !b.ETA.IsZero() && !b.Over() {
		text += "; until about " + b.ETA.Local().Format(time.TimeOnly)
	}
	return text
}

func backfillListing(found []apiclient.Backfill, value any) output.Listing {
	l := output.Listing{Columns: []string{"id", "kind", "state", "from", "to", "slices", "succeeded", "failed", "skipped", "actor", "created_at"}, JSON: value}
	for _, b := range found {
		l.Rows = append(l.Rows, []string{b.ID, b.Kind, b.State, output.Timestamp(b.From), output.Timestamp(b.To), strconv.Itoa(b.Count.Total), strconv.Itoa(b.Count.Succeeded),
			strconv.Itoa(b.Count.Failed), strconv.Itoa(b.Count.Skipped), b.Actor, output.Timestamp(b.CreatedAt)})
	}
	return l
}

// printBackfill prints the slices, with the curve of an as_of.
func printBackfill(a *app.App, b apiclient.Backfill) error {
	l := output.Listing{Columns: []string{"slice", "up_to", "state", "version", "rows", "ndcg@100", "recall@20", "popularity_ndcg@100", "seconds", "attempt", "note"}, JSON: b}
	for _, s := range b.Slices {
		row := []string{strconv.Itoa(s.Index), output.Timestamp(s.To), s.State, "", "", "", "", "", "", strconv.Itoa(s.Attempt), sliceNote(s.Slice)}
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

// sliceNote is what there is to know of a slice beside its state.
func sliceNote(s backfill.Slice) string {
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
	l := output.Listing{Columns: []string{"slice", "from", "to", "decision", "files", "bytes", "rows", "minutes", "reason"}, JSON: p}
	for _, s := range p.Slices {
		rows := output.Count(s.Rows)
		if s.Guessed {
			rows = "about " + rows
		}
		minutes := ""
		if s.Minutes > 0 {
			minutes = strconv.FormatFloat(s.Minutes, 'f', 1, 64)
		}
		l.Rows = append(l.Rows, []string{strconv.Itoa(s.Index), output.Timestamp(s.From), output.Timestamp(s.To), s.Decision, strconv.Itoa(s.Files), output.Count(s.Bytes), rows, minutes, s.Reason})
	}
	if !a.Quiet {
		text := fmt.Sprintf("%d slices would run, %d would not", p.Run, p.Skip)
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
