package backfills

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/database"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/progress"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

const (
	askEvery   = 500 * time.Millisecond
	lineEvery  = 5 * time.Second // of progress off a terminal: a training takes minutes
	askTimeout = 5 * time.Second // a busy worker answers late; the line on the screen goes on meanwhile
)

// follow shows a refresh on stderr until it ends, then prints what came of it.
// Interrupted, it leaves the refresh going.
func follow(ctx context.Context, a *app.App, c client.Client, run client.WorkflowRun) error {
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

	shown := &stageDisplay{printer: a.Progress().Calm(lineEvery)}
	var last workflows.Progress
	ask := time.NewTicker(askEvery)
	defer ask.Stop()
	for {
		select {
		case <-ctx.Done():
			if shown.task != nil {
				shown.task.Leave()
			}
			fmt.Fprintf(a.Err, "the refresh goes on; follow it with `recflow refresh --follow %[1]s`, cancel it with `recflow refresh --cancel %[1]s`\n", run.GetID())
			return ctx.Err()
		case e := <-ended:
			if ctx.Err() != nil {
				continue // the wait was interrupted, not the refresh
			}
			last = askProgress(ctx, a, c, run, last)
			shown.update(last)
			shown.finish(e.err == nil)
			return printRefresh(ctx, a, last, e.result, e.err)
		case <-ask.C:
			last = askProgress(ctx, a, c, run, last)
			shown.update(last)
		}
	}
}

// askProgress asks the run how far it is; without an answer it is where it was.
func askProgress(ctx context.Context, a *app.App, c client.Client, run client.WorkflowRun, last workflows.Progress) workflows.Progress {
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
	stages  []workflows.StageProgress // shown so far
	text    string                    // of the present one
}

// update shows what has happened since the last answer.
func (d *stageDisplay) update(p workflows.Progress) {
	if d.task == nil {
		d.task = d.printer.Start("refresh", "waiting for a worker")
	}
	for began := len(d.stages); began < len(p.Stages); began++ {
		d.stages = p.Stages[:began]
		d.task.Done("%s", d.done())
		d.task, d.text = d.printer.Start(p.Stages[began].Stage, "starting"), ""
	}
	d.stages = p.Stages
	// The last detail of a run that has ended is its outcome, which is told apart.
	if p.Outcome == "" && p.Detail != "" && len(d.stages) > 0 {
		d.text = p.Detail
		d.task.Update("%s", d.text)
	}
}

// done is what came of the present stage.
func (d *stageDisplay) done() string {
	if len(d.stages) == 0 {
		return "a worker has it"
	}
	return cmp.Or(d.stages[len(d.stages)-1].Detail, d.text, "done")
}

// finish ends the present line.
func (d *stageDisplay) finish(well bool) {
	switch {
	case d.task == nil:
	case well:
		d.task.Done("%s", d.done())
	default:
		d.task.Fail()
	}
	d.task = nil
}

// printRefresh prints how a refresh ended: its gates, its metrics and, when it
// did not go well, why.
func printRefresh(ctx context.Context, a *app.App, p workflows.Progress, result workflows.RefreshResult, failed error) error {
	version, gates := result.Version, result.Gates
	if failed != nil {
		version, gates = p.Version, p.Gates
	}
	var metrics recsys.Metrics
	if version > 0 && len(gates) > 0 {
		// Without the database the gates are still worth printing.
		if store, err := database.Open(ctx, a); err == nil {
			defer store.Close()
			if m, err := store.Manifest(ctx, version); err == nil {
				metrics = m.Metrics
			}
		}
	}
	if err := printOutcome(a, result, gates, metrics, failed); err != nil {
		return err
	}
	if failed == nil {
		return nil
	}
	return refreshError(failed, version)
}

func printOutcome(a *app.App, result workflows.RefreshResult, gates []recsys.GateResult, metrics recsys.Metrics, failed error) error {
	if a.Output != "table" {
		if failed != nil && len(gates) == 0 {
			return nil // nothing but the error to tell
		}
		l := output.Gates(gates)
		l.JSON = struct {
			workflows.RefreshResult
			Metrics recsys.Metrics `json:"metrics"`
		}{withGates(result, gates), metrics}
		return a.Print(l)
	}
	a.PrintSection("gates", output.Gates(gates))
	if len(metrics.Candidate) > 0 {
		fmt.Fprintln(a.Out)
		a.PrintSection(fmt.Sprintf("metrics on %d hold-out users, with 95 %% intervals", metrics.Users), output.Metrics(metrics))
	}
	if failed == nil {
		fmt.Fprintln(a.Out, "\n"+outcomeText(result))
	}
	return nil
}

func withGates(r workflows.RefreshResult, gates []recsys.GateResult) workflows.RefreshResult {
	r.Gates = gates
	return r
}

func outcomeText(r workflows.RefreshResult) string {
	text := cmp.Or(r.Detail, fmt.Sprintf("version %d is %s", r.Version, r.State))
	if r.State == recsys.Ready && !r.Live {
		text = fmt.Sprintf("version %d is ready, not live: %s; make it live with `recflow versions promote %[1]d`", r.Version, text)
	}
	return text
}

// refreshError is the reason that a person needs, out of the error's wrapping.
func refreshError(err error, version int64) error {
	var canceled *temporal.CanceledError
	if errors.As(err, &canceled) {
		return app.ExitError{Code: 1, Err: errors.New("the refresh was cancelled; nothing live has changed")}
	}
	var terminated *temporal.TerminatedError
	if errors.As(err, &terminated) {
		return errors.New("the refresh was terminated; what it left behind goes with the next refresh or the hourly sweep")
	}
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) {
		return err
	}
	message := failed.Message()
	if failed.Type() == activities.DataInvalid {
		message = strings.NewReplacer(": rule ", ":\n  rule ", "; rule ", "\n  rule ").Replace(message) // a line each
	}
	if version > 0 && failed.Type() == activities.GateRefused {
		message += fmt.Sprintf("; inspect it with `recflow versions show %d`", version)
	}
	switch failed.Type() {
	case "":
		return errors.New(message)
	case activities.GateRefused:
		return app.ExitError{Code: app.ExitRefused, Err: fmt.Errorf("%s: %s", failed.Type(), message)}
	}
	return fmt.Errorf("%s: %s", failed.Type(), message)
}
