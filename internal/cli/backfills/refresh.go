package backfills

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

const refreshLong = `Trains on the events up to now, loads the embeddings as a new version, runs its
gates and, when none refuses it, makes it live.

It is a backfill of one slice, and goes on when this command ends. With --wait the
command follows it; --follow picks up one that was started earlier.`

// refreshFlags are the ways to ask for a refresh.
type refreshFlags struct {
	request        workflows.RefreshRequest
	from, to       string
	halfLife       string
	noPromote      bool
	accept         []string
	reason         string
	exact, index   bool
	wait           bool
	follow, cancel string // workflow ids
}

// NewRefreshCommand returns the command refresh.
func NewRefreshCommand(a *app.App) *cobra.Command {
	// The end is a whole second. It is the next one, so that what was imported a
	// moment ago, and got its time then, belongs to it.
	f := refreshFlags{request: workflows.DefaultRefresh(time.Now().Add(time.Second))}
	cmd := &cobra.Command{
		Use:   "refresh",
		Short: "Train, load, gate and promote a new version",
		Long:  refreshLong,
		Example: "  recflow refresh --wait\n" +
			"  recflow refresh --rank 128 --half-life 90d --no-promote\n" +
			"  recflow refresh --accept-gate quality --reason \"the old catalogue is gone\"",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.CheckOutput(); err != nil {
				return err
			}
			if err := f.complete(); err != nil {
				return app.UsageError(err)
			}
			return refresh(cmd.Context(), a, f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.wait, "wait", false, "follow the refresh to its end")
	flags.IntVar(&f.request.Rank, "rank", f.request.Rank, "dimension of the embeddings")
	flags.IntVar(&f.request.Iterations, "iterations", f.request.Iterations, "iterations of the training")
	flags.Float64Var(&f.request.Alpha, "alpha", f.request.Alpha, "how much a unit of interest adds to the confidence")
	flags.Float64Var(&f.request.Regularization, "reg", f.request.Regularization, "regularisation, for each item of a user")
	flags.Int64Var(&f.request.Seed, "seed", f.request.Seed, "seed of the training")
	flags.StringVar(&f.halfLife, "half-life", "", "age at which an event counts half: never, 90d or 36h (default: 90d)")
	flags.StringVar(&f.from, "from", "", "train on events from this time (2006-01-02 or RFC 3339)")
	flags.StringVar(&f.to, "to", "", "train on events before this time (default: now)")
	flags.BoolVar(&f.noPromote, "no-promote", false, "leave the version ready, not live")
	flags.StringArrayVar(&f.accept, "accept-gate", nil, "accept a refusal by this gate; may be repeated")
	flags.StringVar(&f.reason, "reason", "", "why the gate is accepted, for the record")
	flags.BoolVar(&f.exact, "exact", false, "search the version exactly, whatever its size")
	flags.BoolVar(&f.index, "index", false, "search the version through an index, whatever its size")
	flags.StringVar(&f.follow, "follow", "", "follow the refresh with this workflow id")
	flags.StringVar(&f.cancel, "cancel", "", "cancel the refresh with this workflow id")
	cmd.MarkFlagsMutuallyExclusive("exact", "index")
	cmd.MarkFlagsMutuallyExclusive("follow", "cancel")
	for _, name := range []string{"rank", "iterations", "alpha", "reg", "seed", "half-life", "from", "to", "no-promote", "accept-gate", "exact", "index"} {
		cmd.MarkFlagsMutuallyExclusive("follow", name)
		cmd.MarkFlagsMutuallyExclusive("cancel", name)
	}
	cmd.MarkFlagsRequiredTogether("accept-gate", "reason")
	a.AddOutputFlag(cmd)
	return cmd
}

// complete turns the flags into a valid request.
func (f *refreshFlags) complete() (err error) {
	r := &f.request
	if f.from != "" {
		if r.From, err = app.ParseTime("from", f.from); err != nil {
			return err
		}
	}
	if f.to != "" {
		if r.To, err = app.ParseTime("to", f.to); err != nil {
			return err
		}
	}
	if f.halfLife != "" {
		age, err := app.ParseAge(f.halfLife)
		if err != nil {
			return fmt.Errorf("--half-life: %w", err)
		}
		r.Interest.HalfLifeSeconds = age.Seconds()
	}
	r.Promote = !f.noPromote
	r.Actor = app.Actor()
	for _, gate := range f.accept {
		if r.AcceptGates == nil {
			r.AcceptGates = map[string]string{}
		}
		r.AcceptGates[gate] = f.reason
	}
	switch {
	case f.exact:
		r.Search = &recsys.Search{Method: recsys.Exact}
	case f.index:
		const large = 10_001 // the smallest catalogue that gets an index by itself
		s := recsys.ChooseSearch(large, r.Rank)
		r.Search = &s
	}
	return r.Validate()
}

func refresh(ctx context.Context, a *app.App, f refreshFlags) error {
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	temporal, where, err := openTemporal(ctx, a)
	if err != nil {
		return err
	}
	defer temporal.Close()
	switch {
	case f.cancel != "":
		if err := cancelRefresh(ctx, api, temporal, f.cancel); err != nil {
			return err
		}
		fmt.Fprintf(a.Err, "asked %s to stop; it undoes its work first, follow it with `recflow refresh --follow %s`\n", f.cancel, f.cancel)
		return nil
	case f.follow != "":
		if _, err := temporal.DescribeWorkflowExecution(ctx, f.follow, ""); err != nil {
			return noSuchRefresh(err, f.follow)
		}
		return followBackfill(ctx, a, api, temporal, temporal.GetWorkflow(ctx, f.follow, ""))
	}

	run, err := startRefresh(ctx, a, api, temporal, f)
	if err != nil {
		return app.ExplainAPI(err)
	}
	link := where.WorkflowLink(run.GetID(), run.GetRunID())
	if f.wait {
		fmt.Fprintf(a.Err, "workflow %s\n", run.GetID())
		if link != "" {
			fmt.Fprintf(a.Err, "watch it at %s\n", link)
		}
		return followBackfill(ctx, a, api, temporal, run)
	}
	fmt.Fprintf(a.Err, "follow it with `recflow refresh --follow %s`\n", run.GetID())
	return a.Print(output.Listing{
		Columns: []string{"workflow_id", "temporal_ui"},
		Rows:    [][]string{{run.GetID(), link}},
		JSON: map[string]string{
			"workflow_id": run.GetID(), "workflow_run_id": run.GetRunID(), "temporal_ui": link,
		},
	})
}

// workerTimeout is how long a worker has to take a refresh before the user is told.
const workerTimeout = 20 * time.Second

// startRefresh starts a backfill of one slice, and waits until a worker has taken
// it: its slice is the refresh. Without a worker it fails after workerTimeout, or
// says so and goes on waiting with --wait; either way the backfill stays.
func startRefresh(ctx context.Context, a *app.App, api *apiclient.Client, temporal client.Client, f refreshFlags) (client.WorkflowRun, error) {
	b, err := api.StartBackfill(ctx, backfillOf(f.request), "")
	noWorker := time.After(workerTimeout)
	for err == nil {
		select {
		case <-noWorker:
			missing := fmt.Errorf("no worker has taken backfill %[1]s after %[2]s; it starts when one runs: see `recflow status`, "+
				"then `recflow backfill show %[1]s`", b.ID, workerTimeout)
			if !f.wait {
				return nil, missing
			}
			fmt.Fprintf(a.Err, "waiting: %v\n", missing)
		default:
		}
		switch slice := b.Slices[0]; {
		case slice.State == backfill.Skipped:
			return nil, fmt.Errorf("%s: import some with `recflow import`", slice.Reason)
		case slice.WorkflowRunID != "" || slice.Progress != nil:
			return temporal.GetWorkflow(ctx, slice.WorkflowID, slice.WorkflowRunID), nil
		case b.Over():
			return nil, backfillError(b)
		}
		b, err = api.Backfill(ctx, b.ID, time.Second, b.Revision)
	}
	return nil, err
}

// backfillOf asks for the same training through the API.
func backfillOf(r workflows.RefreshRequest) apiclient.NewBackfill {
	t := &apiclient.Training{Rank: r.Rank, Iterations: r.Iterations, Alpha: r.Alpha, Regularization: r.Regularization, Seed: &r.Seed,
		HalfLife: "never", AcceptGates: r.AcceptGates}
	if half := time.Duration(r.Interest.HalfLifeSeconds * float64(time.Second)); half > 0 {
		t.HalfLife = half.String()
	}
	if r.Search != nil {
		t.Search = r.Search.Method
	}
	return apiclient.NewBackfill{Kind: backfill.Refresh, From: r.From, To: r.To, Promote: r.Promote, Rerun: backfill.RerunAll, Training: t}
}

// ofBackfill finds the backfill in the id of a refresh that is its slice.
var ofBackfill = regexp.MustCompile(`^refresh-.+-([a-z2-7]{8})(?:-a\d+)?$`)

// settleTime bounds the wait for the ledger to say what its workflow has done.
const settleTime = 15 * time.Second

// followBackfill follows a refresh, and then waits until its backfill is over
// too: the next one on the same range would be refused before.
func followBackfill(ctx context.Context, a *app.App, api *apiclient.Client, temporal client.Client, run client.WorkflowRun) error {
	err := follow(ctx, a, temporal, run)
	m := ofBackfill.FindStringSubmatch(run.GetID())
	if m == nil || ctx.Err() != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	b, settled := api.Backfill(ctx, m[1], 0, 0)
	for settled == nil && !b.Over() {
		b, settled = api.Backfill(ctx, m[1], time.Second, b.Revision)
	}
	return err // what came of the refresh is known; the ledger follows
}

// cancelRefresh stops a refresh: the backfill that it belongs to, or the run of
// the schedule.
func cancelRefresh(ctx context.Context, api *apiclient.Client, temporal client.Client, id string) error {
	if m := ofBackfill.FindStringSubmatch(id); m != nil {
		_, err := api.CancelBackfill(ctx, m[1])
		return app.ExplainAPI(err)
	}
	return noSuchRefresh(temporal.CancelWorkflow(ctx, id, ""), id)
}

func noSuchRefresh(err error, id string) error {
	if missing := (*serviceerror.NotFound)(nil); errors.As(err, &missing) {
		return fmt.Errorf("no refresh %s is known, or it has ended; `recflow versions list` shows what came of it", id)
	}
	return err
}
