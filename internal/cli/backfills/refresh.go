package backfills

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
)

const refreshLong = `Train on all events so far, load the embeddings as a new version, run its
gates and, if none refuses it, promote it.

It is short for ` + "`recflow backfill start refresh --promote`" + `, and continues when this
command ends. With --wait the command follows it; --follow follows one that was
started earlier. ` + "`recflow schedule show`" + ` shows scheduled ones.`

// refreshFlags are the flags of refresh, a subset of those of a backfill.
type refreshFlags struct {
	backfillFlags
	noPromote      bool
	follow, cancel string // ids of backfills, or of their workflows
}

// NewRefreshCommand returns the command refresh.
func NewRefreshCommand(a *app.App) *cobra.Command {
	var f refreshFlags
	cmd := &cobra.Command{
		Use:   "refresh",
		Short: "Train, load, check and promote a new version",
		Long:  refreshLong,
		Example: "  recflow refresh --wait\n" +
			"  recflow refresh --rank 128 --half-life 90d --no-promote\n" +
			"  recflow refresh --interest interest.yaml --wait\n" +
			"  recflow refresh --accept-gate quality --reason \"the old catalog was removed\"",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.complete(cmd); err != nil {
				return app.UsageError(err)
			}
			return refresh(cmd.Context(), a, f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.wait, "wait", false, "follow the refresh to its end")
	flags.StringVar(&f.from, "from", "", "train on events from this time (2006-01-02 or RFC 3339)")
	flags.StringVar(&f.to, "to", "", "train on events before this time (default: now)")
	flags.BoolVar(&f.noPromote, "no-promote", false, "do not promote the version")
	f.trainingFlags(cmd)
	flags.StringVar(&f.follow, "follow", "", "follow the refresh with this workflow id")
	flags.StringVar(&f.cancel, "cancel", "", "cancel the refresh with this workflow id")
	cmd.MarkFlagsMutuallyExclusive("follow", "cancel")
	for _, name := range []string{"rank", "iterations", "alpha", "reg", "seed", "half-life", "interest", "from", "to", "no-promote", "accept-gate", "index"} {
		cmd.MarkFlagsMutuallyExclusive("follow", name)
		cmd.MarkFlagsMutuallyExclusive("cancel", name)
	}
	a.AddOutputFlag(cmd)
	return cmd
}

// complete converts the flags to a request for a backfill.
func (f *refreshFlags) complete(cmd *cobra.Command) error {
	if err := f.backfillFlags.complete(cmd); err != nil {
		return err
	}
	r := &f.request
	r.Kind, r.Promote, r.Rerun = backfill.Refresh, !f.noPromote, backfill.RerunAll
	if r.To.IsZero() {
		// The end is a whole second. It is the next one, so that events that
		// were just imported, with the time of their import, are included.
		// Without an end, the request would match an earlier backfill that is
		// still active and does not include them.
		r.To = time.Now().UTC().Truncate(time.Second).Add(time.Second)
	}
	return nil
}

func refresh(ctx context.Context, a *app.App, f refreshFlags) error {
	switch {
	case f.cancel != "":
		return cancelRefresh(ctx, a, f.cancel)
	case f.follow != "":
		return followRefresh(ctx, a, f.follow)
	case f.wait:
		return startBackfill(ctx, a, f.backfillFlags)
	}
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	b, err := start(ctx, a, api, f.backfillFlags)
	if err == nil {
		b, err = awaitWorker(ctx, api, b, workerTimeout)
	}
	if err != nil {
		return err
	}
	s := b.Windows[0]
	if s.WorkflowID == "" { // it ended before it started
		return reportRefresh(ctx, a, api, b)
	}
	if !a.Quiet {
		fmt.Fprintf(a.Err, "follow it with `recflow refresh --follow %s`\n", s.WorkflowID)
	}
	return a.Print(output.Listing{
		Columns: []string{"workflow_id", "temporal_ui"},
		Rows:    [][]string{{s.WorkflowID, s.TemporalUI}},
		JSON:    map[string]string{"workflow_id": s.WorkflowID, "workflow_run_id": s.WorkflowRunID, "temporal_ui": s.TemporalUI},
	})
}

func cancelRefresh(ctx context.Context, a *app.App, id string) error {
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	if _, err := api.CancelBackfill(ctx, backfillOf(id)); err != nil {
		return explainRefresh(err, id)
	}
	fmt.Fprintf(a.Err, "cancelled %s; it undoes its work first, follow it with `recflow refresh --follow %[1]s`\n", id)
	return nil
}

func followRefresh(ctx context.Context, a *app.App, id string) error {
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	b, err := api.Backfill(ctx, backfillOf(id), 0, 0)
	if err != nil {
		return explainRefresh(err, id)
	}
	return watchBackfill(ctx, a, api, b)
}

// ofBackfill matches the workflow id of a backfill or of a window, and captures
// the id of the backfill.
var ofBackfill = regexp.MustCompile(`^(?:backfill|refresh|evaluate)-.+-([a-z2-7]{8})(?:-[ar]\d+)?$`)

// backfillOf returns the id of the backfill that a workflow belongs to. Any
// other id is taken as the id of a backfill.
func backfillOf(id string) string {
	if m := ofBackfill.FindStringSubmatch(id); m != nil {
		return m[1]
	}
	return id
}

// explainRefresh adds to the error of a request for a refresh what to do about
// it. An id that is malformed is reported as unknown.
func explainRefresh(err error, id string) error {
	switch app.ExitCode(err) {
	case app.ExitNotFound, app.ExitUsage:
		return app.ExitError{Code: app.ExitNotFound, Err: fmt.Errorf("refresh %s not found; see `recflow backfill list`, and `recflow schedule show` for scheduled ones", id)}
	}
	return app.ExplainAPI(err)
}
