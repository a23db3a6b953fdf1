package backfills

import (
	"cmp"
	"fmt"
	"time"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/progress"
)

// display shows the progress of a backfill.
type display interface {
	update(apiclient.Backfill)
	finish(apiclient.Backfill)
	leave() // while it continues
}

// newDisplay returns a display of the stages of a refresh, or of the windows of
// another backfill.
func newDisplay(printer *progress.Printer, kind string) display {
	if kind == backfill.Refresh {
		return &stageDisplay{printer: printer}
	}
	return &windowDisplay{printer: printer, told: map[int]bool{}}
}

// windowDisplay shows a line for each window that ends, and one with the current
// progress.
type windowDisplay struct {
	printer *progress.Printer
	task    *progress.Task
	told    map[int]bool
}

func (d *windowDisplay) update(b apiclient.Backfill) {
	if d.task == nil {
		d.task = d.printer.Start("backfill", "waiting for a worker")
	}
	for _, s := range b.Windows {
		if d.told[s.Index] || s.EndedAt.IsZero() {
			continue
		}
		d.told[s.Index] = true
		d.printer.Printf("%s", windowLine(s))
	}
	d.task.Update("%s", backfillLine(b))
}

func (d *windowDisplay) finish(b apiclient.Backfill) {
	if b.State == backfill.Succeeded {
		d.task.Done("%s", backfillLine(b))
		return
	}
	d.task.Fail()
}

func (d *windowDisplay) leave() { d.task.Leave() }

// windowLine describes the outcome of a window.
func windowLine(s apiclient.Window) string {
	text := fmt.Sprintf("window %d: %s", s.Index, s.State)
	if !s.To.IsZero() {
		text = fmt.Sprintf("window %d, up to %s: %s", s.Index, s.To.Format(time.DateOnly), s.State)
	}
	switch {
	case s.Lists != nil:
		text += fmt.Sprintf(", %s lists in %s", output.Thousands(s.Rows), s.EndedAt.Sub(s.StartedAt).Round(time.Second))
	case s.State == backfill.Succeeded:
		text += fmt.Sprintf(", version %d in %s", s.Version, s.EndedAt.Sub(s.StartedAt).Round(time.Second))
	case s.Error != "":
		text += ": " + s.Error
	}
	return text
}

// backfillLine describes the progress of a backfill.
func backfillLine(b apiclient.Backfill) string {
	ended := b.Count.Total - b.Count.Pending - b.Count.Running
	text := fmt.Sprintf("%d of %d windows", ended, b.Count.Total)
	for _, s := range b.Windows {
		if s.State != backfill.Running {
			continue
		}
		text += fmt.Sprintf("; window %d", s.Index)
		if b.Kind == backfill.Lists {
			text += fmt.Sprintf(": %s lists", output.Thousands(s.Rows))
		}
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

// stageDisplay shows one line per stage of a refresh; the current one is
// updated.
type stageDisplay struct {
	printer *progress.Printer
	task    *progress.Task
	told    string                    // workflow whose URL was printed
	stages  []apiclient.StageProgress // shown so far
	text    string                    // detail of the current stage
}

func (d *stageDisplay) update(b apiclient.Backfill) {
	if d.task == nil {
		d.task = d.printer.Start("refresh", "waiting for a worker")
	}
	s := b.Windows[0]
	if s.WorkflowID != d.told && s.TemporalUI != "" {
		d.told = s.WorkflowID
		d.printer.Printf("refresh %s; watch it at %s", s.WorkflowID, s.TemporalUI)
	}
	p := s.Progress
	if p == nil {
		return
	}
	for began := len(d.stages); began < len(p.Stages); began++ {
		d.stages = p.Stages[:began]
		d.task.Done("%s", d.done())
		d.task, d.text = d.printer.Start(p.Stages[began].Stage, "starting"), ""
	}
	d.stages = p.Stages
	// The last detail of a refresh that has ended is its outcome, which is
	// printed separately.
	if p.Outcome == "" && p.Detail != "" && len(d.stages) > 0 {
		d.text = p.Detail
		d.task.Update("%s", d.text)
	}
}

// done returns the result of the current stage.
func (d *stageDisplay) done() string {
	if len(d.stages) == 0 {
		return "a worker took it"
	}
	return cmp.Or(d.stages[len(d.stages)-1].Detail, d.text, "done")
}

func (d *stageDisplay) finish(b apiclient.Backfill) {
	switch s := b.Windows[0]; {
	case s.State == backfill.Skipped:
		d.task.Done("skipped: %s", s.Reason)
	case b.State != backfill.Succeeded:
		d.task.Fail()
	case len(d.stages) == 0: // the stages are no longer known
		d.task.Done("done")
	default:
		d.task.Done("%s", d.done())
	}
}

func (d *stageDisplay) leave() { d.task.Leave() }
