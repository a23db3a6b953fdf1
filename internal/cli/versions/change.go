package versions

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
)

// These commands change the live version through the API. Each first reads the
// current state and sends its ETag, so that it does not undo a concurrent
// change.

func newPromoteCommand(a *app.App) *cobra.Command {
	var change apiclient.NewLiveChange
	cmd := &cobra.Command{
		Use:               "promote VERSION",
		Short:             "Promote a ready version",
		Example:           "  recflow versions promote 7 --reason \"better on the hold-out\"",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeVersions(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeVersion(a, args[0], func(api *apiclient.Client, id int64) error {
				v, etag, err := api.Version(cmd.Context(), id)
				if err != nil {
					return err
				}
				if v.Live {
					live, _, err := api.Live(cmd.Context())
					if err != nil {
						return err
					}
					return printLive(a, live) // it is already live
				}
				live, err := api.Promote(cmd.Context(), id, etag, change)
				if err != nil {
					return fmt.Errorf("%w; see `recflow versions show %d`", err, id)
				}
				return printLive(a, live)
			})
		},
	}
	cmd.Flags().StringVar(&change.Reason, "reason", "", "reason, for the audit")
	cmd.Flags().BoolVar(&change.Evaluation, "evaluation", false, "allow a version that is for evaluation")
	a.AddOutputFlag(cmd)
	return cmd
}

func newRollbackCommand(a *app.App) *cobra.Command {
	var change apiclient.NewLiveChange
	cmd := &cobra.Command{
		Use:     "rollback",
		Short:   "Roll back to the previous live version",
		Example: "  recflow versions rollback --reason \"strange lists\"",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			_, etag, err := api.Live(cmd.Context())
			if err != nil {
				return app.ExplainAPI(err)
			}
			live, err := api.Rollback(cmd.Context(), etag, change)
			if err != nil {
				return app.ExplainAPI(err)
			}
			return printLive(a, live)
		},
	}
	cmd.Flags().StringVar(&change.Reason, "reason", "", "reason, for the audit")
	a.AddOutputFlag(cmd)
	return cmd
}

func newPinCommand(a *app.App, name, short string, pinned bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:               name + " VERSION",
		Short:             short,
		Example:           "  recflow versions " + name + " 7",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeVersions(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeVersion(a, args[0], func(api *apiclient.Client, id int64) error {
				_, etag, err := api.Version(cmd.Context(), id)
				if err != nil {
					return err
				}
				v, err := api.Pin(cmd.Context(), id, etag, pinned)
				if err != nil {
					return err
				}
				return a.Print(versionListing([]recsys.Version{v}))
			})
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

func newDeleteCommand(a *app.App) *cobra.Command {
	var target bool
	cmd := &cobra.Command{
		Use:               "delete VERSION",
		Short:             "Delete the data of a version permanently",
		Long:              "Delete the data of a version permanently; its metadata is kept. Refused for the live version,\na pinned or loading one, and the one that a rollback would return to.",
		Example:           "  recflow versions delete 7",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeVersions(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeVersion(a, args[0], func(api *apiclient.Client, id int64) error {
				_, etag, err := api.Version(cmd.Context(), id)
				if err != nil {
					return err
				}
				v, err := api.DeleteVersion(cmd.Context(), id, etag, target)
				if err != nil {
					return err
				}
				return a.Print(versionListing([]recsys.Version{v}))
			})
		},
	}
	cmd.Flags().BoolVar(&target, "rollback-target", false, "allow the version that a rollback would return to")
	a.AddOutputFlag(cmd)
	return cmd
}

func newDiffCommand(a *app.App) *cobra.Command {
	var k, users int
	cmd := &cobra.Command{
		Use:               "diff VERSION OTHER",
		Short:             "Compare the lists and the metrics of two versions",
		Long:              "Compare the lists of a sample of users that exist in both versions, the share of the catalog in\nthem, and the metrics of both trainings, each on its own hold-out.",
		Example:           "  recflow versions diff 6 7 --users 500",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeVersions(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			left, err := versionArgument(args[0])
			if err != nil {
				return err
			}
			right, err := versionArgument(args[1])
			if err != nil {
				return err
			}
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			d, err := api.Diff(cmd.Context(), left, right, k, users)
			if err != nil {
				return app.ExplainAPI(err) // the error names the version
			}
			return a.Print(diffListing(d))
		},
	}
	cmd.Flags().IntVarP(&k, "length", "k", 20, "length of the lists")
	cmd.Flags().IntVar(&users, "users", 200, "maximum number of users to compare")
	a.AddOutputFlag(cmd)
	return cmd
}

func diffListing(d apiclient.Diff) output.Listing {
	number := func(x float64) string { return strconv.FormatFloat(x, 'f', 4, 64) }
	l := output.Listing{Columns: []string{"what", strconv.FormatInt(d.A, 10), strconv.FormatInt(d.B, 10), "both"}, JSON: d}
	l.Rows = [][]string{
		{fmt.Sprintf("overlap@%d, mean of %d users", d.K, d.Users), "", "", number(d.Overlap)},
		{"rank-biased overlap", "", "", number(d.RBO)},
		{"users with the same list", "", "", number(d.Same)},
		{"items", output.Count(d.Items.A), output.Count(d.Items.B), ""},
		{"items that are only in this version", output.Count(d.Items.Lost), output.Count(d.Items.New), ""},
		{"items in at least one list", number(d.Items.CoverageA), number(d.Items.CoverageB), ""},
	}
	if len(d.Metrics) > 0 && !d.SameHoldout {
		l.Rows = append(l.Rows, []string{"metrics, each on another hold-out", "", "", "weak evidence"})
	}
	for _, m := range d.Metrics {
		l.Rows = append(l.Rows, []string{m.Name, number(m.A), number(m.B), fmt.Sprintf("%+.4f", m.Delta)})
	}
	return l
}

// changeVersion runs change with the API and the number of a version.
func changeVersion(a *app.App, argument string, change func(*apiclient.Client, int64) error) error {
	id, err := versionArgument(argument)
	if err != nil {
		return err
	}
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	return app.ExplainVersion(change(api, id), id)
}

// printLive prints the live version.
func printLive(a *app.App, live apiclient.Live) error {
	v := live.Version
	return a.Print(output.Listing{
		Columns: []string{"live", "revision", "run_id", "items", "users", "covers_to"},
		Rows: [][]string{{
			output.Count(v.ID), output.Count(live.Revision), v.RunID, output.Count(v.Items), output.Count(v.Users), output.Timestamp(v.Coverage.To),
		}},
		JSON: live,
	})
}

// completeVersions completes the numbers of versions.
func completeVersions(a *app.App) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		api, err := a.OpenAPI()
		if err != nil || len(args) > 1 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
		defer cancel()
		versions, err := api.Versions(ctx, "", 20)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var ids []string
		for _, v := range versions.Items {
			ids = append(ids, cobra.CompletionWithDesc(strconv.FormatInt(v.ID, 10), string(v.State)))
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}
