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
	// lookEvery is how often a backfill is looked at whose ledger does not change: its
	// trainings go on meanwhile.
	lookEvery = time.Second
	// looks is how often a look may fail in a row before the watching ends.
	looks = 30
	// lineEvery is how far lines of progress are apart off a terminal: a training
	// takes minutes.
	lineEvery = 5 * time.Second
	// workerTimeout is how long a worker has to take a backfill before the user is told.
	workerTimeout = 20 * time.Second
)

// watchBackfill shows a backfill on stderr until it ends, then prints what came
// of it. Interrupted, it leaves the backfill going.
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
	return backfillError(b)
}

// follow shows a backfill on stderr until it ends, and says when no worker has
// taken it after patience.
func follow(ctx context.Context, a *app.App, api *apiclient.Client, b apiclient.Backfill, patience time.Duration) (apiclient.Backfill, error) {
	printer := a.Progress().Calm(lineEvery)
	shown := newDisplay(printer, b.Kind)
	noWorker := time.Now().Add(patience)
	failures := 0
	for {
		shown.update(b)
		if b.Over() {
			shown.finish(b)
			return b, nil
		}
		if b.State == backfill.Pending && !noWorker.IsZero() && time.Now().After(noWorker) {
			noWorker = time.Time{}
			printer.Printf("waiting: %v", notTaken(b, patience))
			if a.Quiet {
				fmt.Fprintf(a.Err, "waiting: %v\n", notTaken(b, patience))
			}
		}
		next, err := api.Backfill(ctx, b.ID, lookEvery, b.Revision)
		switch {
		case err == nil:
			b, failures = next, 0
			continue
		case ctx.Err() != nil:
			shown.leave()
			fmt.Fprintf(a.Err, "the backfill goes on; follow it with `recflow backfill watch %[1]s`, stop it with `recflow backfill cancel %[1]s`\n", b.ID)
			return b, ctx.Err()
		}
		if failures++; failures == looks {
			shown.leave()
			return b, app.ExplainAPI(err)
		}
		if err := app.SleepUntil(ctx, time.Now().Add(lookEvery)); err != nil {
			continue
		}
	}
}

// awaitWorker returns a refresh once a worker has taken it, or an error when none
// has after patience. Either way it goes on.
func awaitWorker(ctx context.Context, api *apiclient.Client, b apiclient.Backfill, patience time.Duration) (apiclient.Backfill, error) {
	deadline := time.Now().Add(patience)
	for b.Slices[0].Progress == nil && !b.Over() {
		if time.Now().After(deadline) {
			if b.Slices[0].WorkflowID != "" {
				return b, nil // it is busy, and does not say how far it is
			}
			return b, notTaken(b, patience)
		}
		var err error
		if b, err = api.Backfill(ctx, b.ID, min(lookEvery, patience), b.Revision); err != nil {
			return b, app.ExplainAPI(err)
		}
	}
	return b, nil
}

func notTaken(b apiclient.Backfill, after time.Duration) error {
	return fmt.Errorf("no worker has taken backfill %[1]s after %[2]s; it starts when one runs: see `recflow status`, then `recflow backfill show %[1]s`", b.ID, after)
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
