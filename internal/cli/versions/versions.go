// Package versions has the command versions.
package versions

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
)

// NewCommand returns the command versions.
func NewCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "versions",
		Short: "List, inspect, compare, promote and roll back versions",
	}
	cmd.AddCommand(
		newListCommand(a),
		newShowCommand(a),
		newPromoteCommand(a),
		newRollbackCommand(a),
		newPinCommand(a, "pin", "Pin a version", true),
		newPinCommand(a, "unpin", "Unpin a version", false),
		newDeleteCommand(a),
		newDiffCommand(a),
	)
	return cmd
}

func newListCommand(a *app.App) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List versions, newest first",
		Example: "  recflow versions list -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			var found []recsys.Version
			for cursor := ""; len(found) < limit; {
				page, err := api.Versions(cmd.Context(), cursor, min(200, limit-len(found)))
				if err != nil {
					return app.ExplainAPI(err)
				}
				found = append(found, page.Items...)
				if cursor = page.Next; cursor == "" {
					break
				}
			}
			return a.Print(versionListing(found))
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "maximum number of versions to list")
	a.AddOutputFlag(cmd)
	return cmd
}

func versionListing(versions []recsys.Version) output.Listing {
	if versions == nil {
		versions = []recsys.Version{}
	}
	l := output.Listing{
		Columns: []string{"version", "state", "live", "pinned", "items", "users", "dimension", "search", "covers_to", "created_at", "run_id"},
		JSON:    versions,
	}
	for _, v := range versions {
		live := output.Mark(v.Live)
		if v.Evaluation && !v.Live {
			live = "evaluation"
		}
		l.Rows = append(l.Rows, []string{
			strconv.FormatInt(v.ID, 10), string(v.State), live, output.Mark(v.Pinned),
			strconv.FormatInt(v.Items, 10), strconv.FormatInt(v.Users, 10), strconv.Itoa(v.Dimension),
			v.Search.Method, output.Timestamp(v.Coverage.To), output.Timestamp(v.CreatedAt), v.RunID,
		})
	}
	return l
}

func versionArgument(arg string) (int64, error) {
	id, err := strconv.ParseInt(arg, 10, 64)
	if err != nil || id < 1 {
		return 0, app.UsageError(fmt.Errorf("%q is not the number of a version; see `recflow versions list`", arg))
	}
	return id, nil
}
