package recommendations

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
)

// NewExplainCommand returns the command explain.
func NewExplainCommand(a *app.App) *cobra.Command {
	var req apiclient.ListRequest
	cmd := &cobra.Command{
		Use:   "explain USER ITEM",
		Short: "Explain the score of an item for a user",
		Long: "Split the score of an item for a user into the contributions of the items in the user's\n" +
			"history. The terms sum to the score. Also show why the item is not in the user's list.",
		Example: "  recflow explain 1364 995242",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			for i, kind := range []string{"user", "item"} {
				if err := recsys.CheckID(kind, args[i]); err != nil {
					return app.UsageError(err)
				}
			}
			req.UserID = args[0]
			return printExplanation(cmd.Context(), a, req, args[1])
		},
	}
	cmd.Flags().Int64Var(&req.Version, "version", 0, "read this version instead of the live one")
	cmd.Flags().StringArrayVar(&req.Recent, "recent", nil, "an item clicked just now; may be repeated")
	a.AddOutputFlag(cmd)
	return cmd
}

func printExplanation(ctx context.Context, a *app.App, req apiclient.ListRequest, itemID string) error {
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	e, err := api.Explain(ctx, req, itemID)
	if err != nil {
		return explainItem(ctx, api, err, itemID, req.Version)
	}
	if a.Output == "table" {
		fmt.Fprintf(a.Out, "%s for user %s · %s · version %d · score %s\n",
			strings.TrimSpace(itemID+" "+e.Item.Title), e.UserID, e.Stage, e.Version, output.Number(e.Score))
		if len(e.ExcludedBy) > 0 {
			fmt.Fprintf(a.Out, "not in the list: %s\n", strings.Join(e.ExcludedBy, ", "))
		}
		if e.EventsNotFolded > 0 {
			fmt.Fprintf(a.Out, "%d older events are not folded in\n", e.EventsNotFolded)
		}
		if e.Rule != "" {
			fmt.Fprintln(a.Out, e.Rule)
			return nil
		}
	}
	l := output.Listing{Columns: []string{"item", "title", "weight", "contribution"}, JSON: e}
	for _, t := range e.Terms {
		l.Rows = append(l.Rows, []string{t.ItemID, t.Title, output.Number(float64(t.Weight)), strconv.FormatFloat(t.Score, 'f', 6, 64)})
	}
	return a.Print(l)
}
