// Package backfills has the commands that train and write batch lists: backfill,
// refresh and schedule.
package backfills

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/recsys"
)

const backfillLong = `Train again over a range of time, or write the lists of all users.

A refresh trains once on the range and creates one version, which is promoted only
with --promote. An as_of trains once per step of the range, each time on all
earlier events, and measures how good the embeddings would have been: its versions
are for evaluation and are not promoted.

lists writes the lists of all users, or of a file of users, under one version as
Parquet files to lists/ in the bucket. Its manifest is written last.

The work continues when a command ends.`

// NewCommand returns the command backfill.
func NewCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backfill",
		Short: "Start, follow, stop and retry backfills",
		Long:  backfillLong,
	}
	cmd.AddCommand(newStartCommand(a), newListCommand(a), newShowCommand(a), newWatchCommand(a),
		newActCommand(a, "cancel", "Cancel a backfill and keep what is finished", (*apiclient.Client).CancelBackfill),
		newActCommand(a, "retry", "Run failed and cancelled windows again", (*apiclient.Client).RetryBackfill))
	return cmd
}

// backfillFlags are the flags of backfill start.
type backfillFlags struct {
	request  apiclient.NewBackfill
	training apiclient.Training
	lists    apiclient.ListOptions
	from, to string
	exponent float64
	seed     int64
	interest string // file
	accept   []string
	reason   string
	key      string
	wait     bool
}

func newStartCommand(a *app.App) *cobra.Command {
	var f backfillFlags
	cmd := &cobra.Command{
		Use:   "start refresh|as_of|lists",
		Short: "Start a backfill, or plan one with --dry-run",
		Long:  backfillLong,
		Example: "  recflow backfill start as_of --from 2017-07-01 --to 2017-12-01 --step 30d --dry-run\n" +
			"  recflow backfill start as_of --from 2017-07-01 --to 2017-12-01 --step 30d --parallel 2 --wait\n" +
			"  recflow backfill start refresh --from 2017-06-01 --rank 128 --promote\n" +
			"  recflow backfill start lists --k 100 --wait\n" +
			"  recflow backfill start lists --users users.csv --category books --dry-run",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{backfill.Refresh, backfill.AsOf, backfill.Lists},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.request.Kind = args[0]
			if err := f.complete(cmd); err != nil {
				return app.UsageError(err)
			}
			if err := f.uploadUsers(cmd.Context(), a); err != nil {
				return err
			}
			return startBackfill(cmd.Context(), a, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "start of the range (2006-01-02 or RFC 3339); optional for a refresh")
	flags.StringVar(&f.to, "to", "", "end of the range, exclusive (default: now)")
	flags.StringVar(&f.request.Step, "step", "", "as_of only: train once per step, such as 7d or 36h")
	flags.BoolVar(&f.request.Promote, "promote", false, "refresh only: promote the version if no gate refuses it")
	flags.StringVar(&f.request.Rerun, "rerun", backfill.RerunMissing, "what to run again of earlier backfills: missing, failed or all")
	flags.IntVar(&f.request.MaxParallel, "parallel", 1, "windows in parallel, 1 to 8; for lists, at most the number of workers is useful")
	flags.BoolVar(&f.request.DryRun, "dry-run", false, "print the plan and start nothing")
	flags.BoolVar(&f.wait, "wait", false, "follow the backfill to its end")
	flags.StringVar(&f.key, "key", "", "idempotency key: the same key starts the same backfill once")
	f.trainingFlags(cmd)
	f.listFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("dry-run", "wait")
	_ = cmd.RegisterFlagCompletionFunc("rerun", cobra.FixedCompletions([]string{backfill.RerunMissing, backfill.RerunFailed, backfill.RerunAll}, cobra.ShellCompDirectiveNoFileComp))
	a.AddOutputFlag(cmd)
	return cmd
}

// trainingFlags adds the flags for the training parameters.
func (f *backfillFlags) trainingFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.training.Trainer, "trainer", "", "auto, als or mllib (default: auto, which is als if its factors fit on one machine)")
	flags.IntVar(&f.training.Rank, "rank", 0, "dimension of the embeddings (default: from the data; mllib: 64)")
	flags.IntVar(&f.training.Iterations, "iterations", 0, "iterations of the training (default: 6; mllib: 12)")
	flags.Float64Var(&f.training.Alpha, "alpha", 0, "confidence added per unit of interest weight (default: from the data; mllib: 2)")
	flags.Float64Var(&f.training.Regularization, "reg", 0, "regularization (default: from the data; mllib, for each item of a user: 0.1)")
	flags.Float64Var(&f.exponent, "reg-exponent", 0, "als only: exponent of a user's number of items in the regularization (default: 0.5)")
	flags.Int64Var(&f.seed, "seed", 42, "seed of the training")
	flags.StringVar(&f.training.HalfLife, "half-life", "", "age at which the weight of an event is halved: never, 90d or 36h (default: 90d)")
	flags.StringVar(&f.interest, "interest", "", "file with the weights of event types, YAML or JSON; print one with recflow interest show (default: built-in weights)")
	flags.StringVar(&f.training.Index, "index", "", "index of the version in Postgres: auto, hnsw or none (default: auto)")
	flags.StringArrayVar(&f.accept, "accept-gate", nil, "override a refusal by this gate; may be repeated")
	flags.StringVar(&f.reason, "reason", "", "reason for the override, for the record")
	cmd.MarkFlagsRequiredTogether("accept-gate", "reason")
	_ = cmd.RegisterFlagCompletionFunc("accept-gate", cobra.FixedCompletions(recsys.GateNames(), cobra.ShellCompDirectiveNoFileComp))
}

// complete converts the flags to a request. The API validates it.
func (f *backfillFlags) complete(cmd *cobra.Command) (err error) {
	if err := f.checkKind(cmd); err != nil {
		return err
	}
	if f.request.Kind == backfill.Lists {
		f.request.Rerun, f.request.Lists = "", &f.lists
		return nil
	}
	if f.from != "" {
		if f.request.From, err = app.ParseTime("from", f.from); err != nil {
			return err
		}
	}
	if f.to != "" {
		if f.request.To, err = app.ParseTime("to", f.to); err != nil {
			return err
		}
	}
	for _, name := range []string{"rank", "iterations", "alpha", "reg"} { // a request has no zeros: they would be the defaults
		if v := cmd.Flags().Lookup(name); v.Changed && v.Value.String() == "0" {
			return fmt.Errorf("--%s is 0; use more than 0", name)
		}
	}
	if f.interest != "" {
		if f.training.Interest, err = app.ReadInterest(f.interest); err != nil {
			return fmt.Errorf("--interest: %w", err)
		}
	}
	if cmd.Flags().Changed("reg-exponent") {
		f.training.RegularizationExponent = &f.exponent
	}
	if cmd.Flags().Changed("seed") {
		f.training.Seed = &f.seed
	}
	for _, gate := range f.accept {
		if f.training.AcceptGates == nil {
			f.training.AcceptGates = map[string]string{}
		}
		f.training.AcceptGates[gate] = f.reason
	}
	f.request.Training = &f.training
	return nil
}

func startBackfill(ctx context.Context, a *app.App, f backfillFlags) error {
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	if f.request.DryRun {
		plan, err := api.PlanBackfill(ctx, f.request)
		if err != nil {
			return app.ExplainAPI(err)
		}
		return printPlan(a, plan)
	}
	b, err := start(ctx, a, api, f)
	if err != nil {
		return err
	}
	if f.wait {
		return watchBackfill(ctx, a, api, b)
	}
	if !a.Quiet && !b.Over() {
		fmt.Fprintf(a.Err, "follow it with `recflow backfill watch %[1]s`, cancel it with `recflow backfill cancel %[1]s`\n", b.ID)
	}
	return a.Print(backfillListing([]apiclient.Backfill{b}, b))
}

// start starts a backfill and prints the URL of its workflow.
func start(ctx context.Context, a *app.App, api *apiclient.Client, f backfillFlags) (apiclient.Backfill, error) {
	b, err := api.StartBackfill(ctx, f.request, f.key)
	if err != nil {
		return b, app.ExplainAPI(err)
	}
	if b.TemporalUI != "" && !a.Quiet {
		fmt.Fprintf(a.Err, "backfill %s; watch it at %s\n", b.ID, b.TemporalUI)
	}
	return b, nil
}

func newListCommand(a *app.App) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List backfills, newest first",
		Example: "  recflow backfill list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			found := []apiclient.Backfill{}
			for cursor := ""; len(found) < limit; {
				page, err := api.Backfills(cmd.Context(), cursor, min(200, limit-len(found)))
				if err != nil {
					return app.ExplainAPI(err)
				}
				found = append(found, page.Items...)
				if cursor = page.Next; cursor == "" {
					break
				}
			}
			return a.Print(backfillListing(found, found))
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "maximum number of backfills to list")
	a.AddOutputFlag(cmd)
	return cmd
}

// completeBackfills completes the ids of backfills.
func completeBackfills(a *app.App) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		api, err := a.OpenAPI()
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
		defer cancel()
		page, err := api.Backfills(ctx, "", 20)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var ids []string
		for _, b := range page.Items {
			ids = append(ids, cobra.CompletionWithDesc(b.ID, b.Kind+", "+b.State))
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}

func newShowCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show ID",
		Short:             "Show a backfill, its windows and their metrics",
		Example:           "  recflow backfill show ID",
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
			return printBackfill(a, b)
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

// newActCommand returns a command that cancels or retries a backfill.
func newActCommand(a *app.App, name, short string, act func(*apiclient.Client, context.Context, string) (apiclient.Backfill, error)) *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:               name + " ID",
		Short:             short,
		Example:           "  recflow backfill " + name + " ID --wait",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeBackfills(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			b, err := act(api, cmd.Context(), args[0])
			if err != nil {
				return app.ExplainAPI(err)
			}
			if !wait {
				return a.Print(backfillListing([]apiclient.Backfill{b}, b))
			}
			err = watchBackfill(cmd.Context(), a, api, b)
			if name == "cancel" && errors.Is(err, errBackfillCancelled) {
				return nil // the outcome that was requested
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "follow the backfill to its end")
	a.AddOutputFlag(cmd)
	return cmd
}
