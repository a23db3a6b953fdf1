package backfills

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/cli/app"
)

func newWatchCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "watch ID",
		Short:             "Follow a backfill to its end",
		Long:              "Follow a backfill to its end. Ctrl-C stops following; the backfill continues.",
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
	// pollEvery is the interval of polling a backfill without changes in the
	// ledger, for the progress of its trainings.
	pollEvery = time.Second
	// maxFailedPolls is the maximum number of consecutive failed polls.
	maxFailedPolls = 30
	// lineEvery is the interval of progress lines if the output is not a
	// terminal: a training takes minutes.
	lineEvery = 5 * time.Second
	// workerTimeout is how long a worker may take to start a backfill before
	// the user is warned.
	workerTimeout = 20 * time.Second
)

// watchBackfill shows a backfill on stderr until it ends, then prints its
// outcome. When interrupted, it leaves the backfill running.
func watchBackfill(ctx context.Context, a *app.App, api *apiclient.Client, b apiclient.Backfill) error {
	b, err := follow(ctx, a, api, b, workerTimeout)
	if err != nil {
		return err
	}
	if b.Kind == backfill.Refresh {
		return reportRefresh(ctx, a, api, b)
	}
	if err := printBackfill(a, b); err != nil {
		return err
	}
	if b.Kind == backfill.AsOf {
		printWindowChecks(ctx, a, api, b)
	}
	return backfillError(b)
}

// follow shows a backfill on stderr until it ends, and warns if no worker has
// taken it after timeout.
func follow(ctx context.Context, a *app.App, api *apiclient.Client, b apiclient.Backfill, timeout time.Duration) (apiclient.Backfill, error) {
	printer := a.Progress().Calm(lineEvery)
	shown := newDisplay(printer, b.Kind)
	noWorker := time.Now().Add(timeout)
	failures := 0
	for {
		shown.update(b)
		if b.Over() {
			shown.finish(b)
			return b, nil
		}
		if b.State == backfill.Pending && !noWorker.IsZero() && time.Now().After(noWorker) {
			noWorker = time.Time{}
			printer.Printf("waiting: %v", notTaken(b, timeout))
			if a.Quiet {
				fmt.Fprintf(a.Err, "waiting: %v\n", notTaken(b, timeout))
			}
		}
		next, err := api.Backfill(ctx, b.ID, pollEvery, b.Revision)
		switch {
		case err == nil:
			b, failures = next, 0
			continue
		case ctx.Err() != nil:
			shown.leave()
			fmt.Fprintf(a.Err, "the backfill continues; follow it with `recflow backfill watch %[1]s`, cancel it with `recflow backfill cancel %[1]s`\n", b.ID)
			return b, ctx.Err()
		}
		if failures++; failures == maxFailedPolls {
			shown.leave()
			return b, app.ExplainAPI(err)
		}
		_ = app.SleepUntil(ctx, time.Now().Add(pollEvery)) // the next request reports the end of ctx
	}
}

// awaitWorker returns a refresh once a worker has taken it, or an error if none
// has after timeout. The refresh continues in both cases.
func awaitWorker(ctx context.Context, api *apiclient.Client, b apiclient.Backfill, timeout time.Duration) (apiclient.Backfill, error) {
	deadline := time.Now().Add(timeout)
	for b.Windows[0].Progress == nil && !b.Over() {
		if time.Now().After(deadline) {
			if b.Windows[0].WorkflowID != "" {
				return b, nil // it is running, and reports no progress
			}
			return b, notTaken(b, timeout)
		}
		next, err := api.Backfill(ctx, b.ID, min(pollEvery, timeout), b.Revision)
		if err == nil {
			b = next
			continue
		}
		if app.SleepUntil(ctx, time.Now().Add(min(pollEvery, timeout))) != nil || time.Now().After(deadline) {
			return b, fmt.Errorf("backfill %s has started; see `recflow backfill show %[1]s`: %w", b.ID, app.ExplainAPI(err))
		}
	}
	return b, nil
}

func notTaken(b apiclient.Backfill, after time.Duration) error {
	return fmt.Errorf("no worker has taken backfill %[1]s after %[2]s; it starts when one runs: see `recflow status`, then `recflow backfill show %[1]s`", b.ID, after)
}

// errBackfillCancelled ends following a backfill that was cancelled.
var errBackfillCancelled = errors.New("was cancelled")

// backfillError returns the error of a backfill that did not succeed.
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
	first := slices.IndexFunc(b.Windows, func(s apiclient.Window) bool { return s.State == backfill.Failed })
	if first < 0 {
		return fmt.Errorf("backfill %s failed", b.ID)
	}
	return fmt.Errorf("%d of %d windows of backfill %s failed, the first: %s; fix the cause, then run them again with `recflow backfill retry %s`",
		b.Count.Failed, b.Count.Total, b.ID, b.Windows[first].Error, b.ID)
}
