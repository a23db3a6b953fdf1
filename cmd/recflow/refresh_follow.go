package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/progress"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

const (
	askEvery   = 500 * time.Millisecond
	askTimeout = 5 * time.Second // a busy worker answers late; the line on the screen goes on meanwhile
)

// follow shows a refresh on stderr until it ends, then prints what came of it.
// Interrupted, it leaves the refresh going.
func (a *app) follow(ctx context.Context, c client.Client, run client.WorkflowRun) error {
	type end struct {
		result workflows.RefreshResult
		err    error
	}
	ended := make(chan end, 1)
	go func() {
		var e end
		e.err = run.Get(ctx, &e.result)
		ended <- e
	}()

	shown := &stageDisplay{printer: a.progress()}
	var last workflows.Progress
	ask := time.NewTicker(askEvery)
	defer ask.Stop()
	for {
		select {
		case <-ctx.Done():
			shown.leave()
			fmt.Fprintf(a.err, "the refresh goes on; follow it with `recflow refresh --follow %[1]s`, cancel it with `recflow refresh --cancel %[1]s`\n", run.GetID())
			return ctx.Err()
		case e := <-ended:
			if ctx.Err() != nil {
				continue // the wait was interrupted, not the refresh
			}
			last = a.askProgress(ctx, c, run, last)
			shown.update(last)
			shown.finish(e.err == nil)
			return a.printRefresh(ctx, last, e.result, e.err)
		case <-ask.C:
			last = a.askProgress(ctx, c, run, last)
			shown.update(last)
		}
	}
}

// askProgress asks the run how far it is; without an answer it is where it was.
func (a *app) askProgress(ctx context.Context, c client.Client, run client.WorkflowRun, last workflows.Progress) workflows.Progress {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	p, err := workflows.AskProgress(ctx, c, run.GetID(), run.GetRunID())
	if err != nil {
		return last
	}
	return p
}

// stageDisplay shows one line a stage, the present one alive.
type stageDisplay struct {
	printer *progress.Printer
	task    *progress.Task
	began   int    // stages shown so far
	text    string // of the present one
}

// update shows what has happened since the last answer.
func (d *stageDisplay) update(p workflows.Progress) {
	for ; d.began < len(p.Stages); d.began++ {
		switch {
		case d.task == nil:
		case d.began == 0:
			d.task.Done("a worker has it")
		default:
			d.task.Done("%s", doneText(p.Stages[d.began-1], d.text))
		}
		d.task, d.text = d.printer.Start(p.Stages[d.began].Stage, "starting"), ""
	}
	if d.task == nil {
		d.task = d.printer.Start("refresh", "waiting for a worker")
		return
	}
	if text := progressText(p); text != "" && d.began > 0 {
		d.text = text
		d.task.Update("%s", text)
	}
}

// finish ends the present line.
func (d *stageDisplay) finish(well bool) {
	switch {
	case d.task == nil:
	case well:
		d.task.Done("%s", d.text)
	default:
		d.task.Fail()
	}
	d.task = nil
}

// leave ends the present line without a judgement.
func (d *stageDisplay) leave() { d.finish(false) }

func doneText(s workflows.StageProgress, last string) string {
	if s.Detail != "" {
		return s.Detail
	}
	return last
}

// progressText is what is happening now, with the numbers of the stage.
func progressText(p workflows.Progress) string {
	text := p.Detail
	add := func(format string, args ...any) {
		if text != "" {
			text += " · "
		}
		text += fmt.Sprintf(format, args...)
	}
	switch p.Stage {
	case workflows.StageTrain:
		if p.TrainTotal > 0 {
			add("%d of %d (%d %%)", p.TrainDone, p.TrainTotal, 100*p.TrainDone/p.TrainTotal)
		}
	case workflows.StageLoad:
		if p.FilesTotal > 0 {
			add("file %d of %d, %d of %d rows", p.FilesDone, p.FilesTotal, p.RowsLoaded, p.RowsTotal)
		}
	case workflows.StageIndex:
		if p.IndexPercent > 0 {
			add("%.0f %%", p.IndexPercent)
		}
	}
	return text
}

// printRefresh prints how a refresh ended: its gates, its metrics and, when it
// did not go well, why.
func (a *app) printRefresh(ctx context.Context, p workflows.Progress, result workflows.RefreshResult, failed error) error {
	version, gates := result.Version, result.Gates
	if failed != nil {
		version, gates = p.Version, p.Gates
	}
	var metrics recsys.Metrics
	if version > 0 && len(gates) > 0 {
		// Without the database the gates are still worth printing.
		if store, err := a.openStore(ctx); err == nil {
			defer store.Close()
			if m, err := store.Manifest(ctx, version); err == nil {
				metrics = m.Metrics
			}
		}
	}
	if err := a.printOutcome(result, gates, metrics, failed); err != nil {
		return err
	}
	if failed == nil {
		return nil
	}
	return refreshError(failed, version)
}

func (a *app) printOutcome(result workflows.RefreshResult, gates []recsys.GateResult, metrics recsys.Metrics, failed error) error {
	if a.output != "table" {
		if failed != nil && len(gates) == 0 {
			return nil // nothing but the error to tell
		}
		l := gateListing(gates)
		l.json = struct {
			workflows.RefreshResult
			Metrics recsys.Metrics `json:"metrics"`
		}{withGates(result, gates), metrics}
		return a.print(l)
	}
	a.printSection("gates", gateListing(gates))
	if len(metrics.Candidate) > 0 {
		fmt.Fprintln(a.out)
		a.printSection(fmt.Sprintf("metrics on %d hold-out users, with 95 %% intervals", metrics.Users), metricListing(metrics))
	}
	if failed == nil {
		fmt.Fprintln(a.out, "\n"+outcomeText(result))
	}
	return nil
}

func withGates(r workflows.RefreshResult, gates []recsys.GateResult) workflows.RefreshResult {
	r.Gates = gates
	return r
}

func outcomeText(r workflows.RefreshResult) string {
	text := fmt.Sprintf("version %d is %s", r.Version, r.State)
	switch {
	case r.Live:
		text = fmt.Sprintf("version %d is live", r.Version)
	case r.State == recsys.Ready:
		text += fmt.Sprintf("; make it live with `recflow versions promote %d`", r.Version)
	}
	if r.Detail != "" {
		text += ": " + r.Detail
	}
	return text
}

// refreshError is the reason that a person needs, out of the error's wrapping.
func refreshError(err error, version int64) error {
	var canceled *temporal.CanceledError
	if errors.As(err, &canceled) {
		return exitError{1, errors.New("the refresh was cancelled; nothing live has changed")}
	}
	var terminated *temporal.TerminatedError
	if errors.As(err, &terminated) {
		return errors.New("the refresh was terminated; what it left behind goes with the next refresh or the hourly sweep")
	}
	var app *temporal.ApplicationError
	if !errors.As(err, &app) {
		return err
	}
	message := app.Message()
	if version > 0 && app.Type() == activities.GateRefused {
		message += fmt.Sprintf("; inspect it with `recflow versions show %d`", version)
	}
	if app.Type() != "" {
		return fmt.Errorf("%s: %s", app.Type(), message)
	}
	return errors.New(message)
}
