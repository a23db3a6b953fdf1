package recommendations

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
)

// NewSimilarCommand returns the command similar.
func NewSimilarCommand(a *app.App) *cobra.Command {
	var req apiclient.ListRequest
	cmd := &cobra.Command{
		Use:   "similar ITEM",
		Short: "List the items nearest to an item",
		Long: "List the items whose embeddings have the largest inner product with that of ITEM, divided\n" +
			"by a power of their length, so that popular items do not hide all others. The training\n" +
			"chooses the power: see `recflow versions show`.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cmp.Or(recsys.CheckID("item", args[0]), checkLength(req.K)); err != nil {
				return app.UsageError(err)
			}
			return printSimilar(cmd.Context(), a, args[0], req)
		},
	}
	flags := cmd.Flags()
	flags.IntVarP(&req.K, "k", "k", 10, "length of the list")
	flags.StringVar(&req.Category, "category", "", "only items of this category")
	flags.Int64Var(&req.Version, "version", 0, "read this version instead of the live one")
	a.AddOutputFlag(cmd)
	return cmd
}

func printSimilar(ctx context.Context, a *app.App, itemID string, req apiclient.ListRequest) error {
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	list, err := api.Similar(ctx, itemID, req)
	if err != nil {
		return explainItem(ctx, api, err, itemID, req.Version)
	}
	if a.Output == "table" {
		fmt.Fprintf(a.Out, "similar to %s · version %d\n", strings.TrimSpace(itemID+" "+list.Item.Title), list.Version)
		if len(list.Items) == 0 {
			fmt.Fprintln(a.Out, noItems)
			return nil
		}
	}
	return a.Print(similarListing(list, a.Output == "csv"))
}

func similarListing(list apiclient.List, csv bool) output.Listing {
	if !csv {
		return output.Listing{Columns: rankedColumns, Rows: rankedRows(list.Items), JSON: list}
	}
	l := output.Listing{Columns: []string{"item_id", "similar_item_id", "rank", "score", "version"}}
	for _, it := range list.Items {
		l.Rows = append(l.Rows, []string{list.Item.ItemID, it.ItemID, strconv.Itoa(it.Rank), score(it.Score), strconv.FormatInt(list.Version, 10)})
	}
	return l
}

// explainItem is app.ExplainVersion for a command with an item. If the version
// does not have the item, it suggests another one, if possible: the first
// recommendation of an anonymous user.
func explainItem(ctx context.Context, api *apiclient.Client, err error, itemID string, version int64) error {
	var p *apiclient.Problem
	if !errors.As(err, &p) || p.Code != "unknown_item" {
		return app.ExplainVersion(err, version)
	}
	list, err := api.Recommend(ctx, apiclient.ListRequest{K: 1, Version: version})
	if err != nil || len(list.Items) == 0 {
		return fmt.Errorf("item %q: %w", itemID, p)
	}
	it := list.Items[0]
	text := fmt.Sprintf("version %d: unknown item %q; ids are as imported, try `recflow similar %s`", list.Version, itemID, it.ItemID)
	if it.Title != "" {
		text += " (" + it.Title + ")"
	}
	return app.ExitError{Code: app.ExitNotFound, Err: errors.New(text)}
}
