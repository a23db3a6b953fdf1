package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// These commands change what is live through the API. Each looks first and says
// what it saw, so that it does not undo what somebody else did meanwhile.

func (a *app) versionsPromoteCommand() *cobra.Command {
	var flip apiclient.NewFlip
	cmd := &cobra.Command{
		Use:               "promote VERSION",
		Short:             "Make a ready version live",
		Example:           "  recflow versions promote 7 --reason \"better on the hold-out\"",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeVersions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeVersion(args[0], func(api *apiclient.Client, id int64) error {
				v, etag, err := api.Version(cmd.Context(), id)
				if err != nil {
					return versionProblem(err, id)
				}
				if v.Live {
					live, _, err := api.Live(cmd.Context())
					if err != nil {
						return err
					}
					return a.printLive(live) // as it was asked for
				}
				live, err := api.Promote(cmd.Context(), id, etag, flip)
				if err != nil {
					return fmt.Errorf("%w; see `recflow versions show %d`", err, id)
				}
				return a.printLive(live)
			})
		},
	}
	cmd.Flags().StringVar(&flip.Reason, "reason", "", "why, for the audit")
	cmd.Flags().BoolVar(&flip.Evaluation, "evaluation", false, "also a version that is for evaluation")
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) versionsRollbackCommand() *cobra.Command {
	var flip apiclient.NewFlip
	cmd := &cobra.Command{
		Use:     "rollback",
		Short:   "Make the version live that was live before",
		Example: "  recflow versions rollback --reason \"strange lists\"",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			api, err := a.openAPI()
			if err != nil {
				return err
			}
			_, etag, err := api.Live(cmd.Context())
			if err != nil {
				return explainAPI(err)
			}
			live, err := api.Rollback(cmd.Context(), etag, flip)
			if err != nil {
				return explainAPI(err)
			}
			return a.printLive(live)
		},
	}
	cmd.Flags().StringVar(&flip.Reason, "reason", "", "why, for the audit")
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) versionsPinCommand(name, short string, pinned bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:               name + " VERSION",
		Short:             short,
		Example:           "  recflow versions " + name + " 7",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeVersions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeVersion(args[0], func(api *apiclient.Client, id int64) error {
				_, etag, err := api.Version(cmd.Context(), id)
				if err != nil {
					return versionProblem(err, id)
				}
				v, err := api.Pin(cmd.Context(), id, etag, pinned)
				if err != nil {
					return err
				}
				return a.print(versionListing([]recsys.Version{v}))
			})
		},
	}
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) versionsDeleteCommand() *cobra.Command {
	var target bool
	cmd := &cobra.Command{
		Use:               "delete VERSION",
		Short:             "Remove the data of a version for good",
		Long:              "Removes the data of a version for good; what is known about it stays. Not the live\nversion, one that is pinned or loading, nor the one that a rollback would go to.",
		Example:           "  recflow versions delete 7",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeVersions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeVersion(args[0], func(api *apiclient.Client, id int64) error {
				_, etag, err := api.Version(cmd.Context(), id)
				if err != nil {
					return versionProblem(err, id)
				}
				v, err := api.DeleteVersion(cmd.Context(), id, etag, target)
				if err != nil {
					return err
				}
				return a.print(versionListing([]recsys.Version{v}))
			})
		},
	}
	cmd.Flags().BoolVar(&target, "rollback-target", false, "also the one that a rollback would go to")
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) versionsDiffCommand() *cobra.Command {
	var k, users int
	cmd := &cobra.Command{
		Use:               "diff VERSION OTHER",
		Short:             "Compare the lists and the metrics of two versions",
		Long:              "Compares the lists of a sample of users whom both versions know, what of the catalogue\nthey show, and the metrics of both trainings, each on its own hold-out.",
		Example:           "  recflow versions diff 6 7 --users 500",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.completeVersions,
		RunE: func(cmd *cobra.Command, args []string) error {
			other, err := versionArgument(args[1])
			if err != nil {
				return err
			}
			return a.changeVersion(args[0], func(api *apiclient.Client, id int64) error {
				d, err := api.Diff(cmd.Context(), id, other, k, users)
				if err != nil {
					return explainAPI(err)
				}
				return a.print(diffListing(d))
			})
		},
	}
	cmd.Flags().IntVarP(&k, "length", "k", 20, "length of the lists")
	cmd.Flags().IntVar(&users, "users", 200, "most users to compare")
	a.addOutputFlag(cmd)
	return cmd
}

func diffListing(d recommend.Diff) listing {
	number := func(x float64) string { return strconv.FormatFloat(x, 'f', 4, 64) }
	l := listing{columns: []string{"what", strconv.FormatInt(d.A, 10), strconv.FormatInt(d.B, 10), "both"}, json: d}
	l.rows = [][]string{
		{fmt.Sprintf("overlap@%d, mean of %d users", d.K, d.Users), "", "", number(d.Overlap)},
		{"rank-biased overlap", "", "", number(d.RBO)},
		{"users with the same list", "", "", number(d.Same)},
		{"items", count(d.Items.A), count(d.Items.B), ""},
		{"items that the other does not have", count(d.Items.Lost), count(d.Items.New), ""},
		{"items in somebody's list", number(d.Items.CoverageA), number(d.Items.CoverageB), ""},
	}
	if len(d.Metrics) > 0 && !d.SameHoldout {
		l.rows = append(l.rows, []string{"metrics, each on another hold-out", "", "", "says little"})
	}
	for _, m := range d.Metrics {
		l.rows = append(l.rows, []string{m.Name, number(m.A), number(m.B), fmt.Sprintf("%+.4f", m.Delta)})
	}
	return l
}

// changeVersion runs change with the API and the number of a version.
func (a *app) changeVersion(argument string, change func(*apiclient.Client, int64) error) error {
	if err := a.checkOutput(); err != nil {
		return err
	}
	id, err := versionArgument(argument)
	if err != nil {
		return err
	}
	api, err := a.openAPI()
	if err != nil {
		return err
	}
	return explainAPI(change(api, id))
}

// versionProblem names a version that does not exist.
func versionProblem(err error, id int64) error {
	var p *apiclient.Problem
	if errors.As(err, &p) && p.Status == http.StatusNotFound {
		return noSuchVersion(id)
	}
	return err
}

// printLive says which version is live now.
func (a *app) printLive(live apiclient.Live) error {
	v := live.Version
	return a.print(listing{
		columns: []string{"live", "revision", "run_id", "items", "users", "covers_to"},
		rows: [][]string{{
			count(v.ID), count(live.Revision), v.RunID, count(v.Items), count(v.Users), stamp(v.Coverage.To),
		}},
		json: live,
	})
}

// completeVersions completes the numbers of versions.
func (a *app) completeVersions(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
	defer cancel()
	store, err := a.openStore(ctx)
	if err != nil || len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer store.Close()
	versions, err := store.Versions(ctx, 20)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []string
	for _, v := range versions {
		ids = append(ids, cobra.CompletionWithDesc(strconv.FormatInt(v.ID, 10), string(v.State)))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
