package recommendations

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/database"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recommend"
)

// NewSimilarCommand returns the command similar.
func NewSimilarCommand(a *app.App) *cobra.Command {
	var k int
	var category string
	var version int64
	cmd := &cobra.Command{
		Use:   "similar ITEM",
		Short: "List the items nearest to an item",
		Long: "Lists the items whose embeddings have the largest inner product with that of ITEM, the\n" +
			"similarity that recommendations use too.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.CheckOutput(); err != nil {
				return err
			}
			if err := (recommend.Request{K: k, Version: version}).Check(); err != nil {
				return app.UsageError(err)
			}
			return printSimilar(cmd.Context(), a, args[0], k, category, version)
		},
	}
	flags := cmd.Flags()
	flags.IntVarP(&k, "k", "k", 10, "length of the list")
	flags.StringVar(&category, "category", "", "only items of this category")
	flags.Int64Var(&version, "version", 0, "read this version in place of the live one")
	a.AddOutputFlag(cmd)
	return cmd
}

func printSimilar(ctx context.Context, a *app.App, itemID string, k int, category string, version int64) error {
	store, err := database.Open(ctx, a)
	if err != nil {
		return err
	}
	defer store.Close()
	r := recommend.Recommender{Store: store}
	list, err := r.Similar(ctx, itemID, recommend.Request{K: k, Category: category, Version: version})
	if errors.Is(err, recommend.ErrUnknownItem) {
		return app.ExitError{Code: app.ExitNotFound, Err: fmt.Errorf("%w%s", err, suggestItem(ctx, &r, version))}
	}
	if err != nil {
		return app.ExplainVersion(err, version)
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

func similarListing(list recommend.List, csv bool) output.Listing {
	if !csv {
		return output.Listing{Columns: rankedColumns, Rows: rankedRows(list.Items), JSON: list}
	}
	l := output.Listing{Columns: []string{"item_id", "similar_item_id", "rank", "score", "version"}}
	for _, it := range list.Items {
		l.Rows = append(l.Rows, []string{list.Item.ItemID, it.ItemID, strconv.Itoa(it.Rank), score(it.Score), strconv.FormatInt(list.Version, 10)})
	}
	return l
}

// suggestItem names an item that can be asked for, if there is one: what nobody
// in particular is recommended first.
func suggestItem(ctx context.Context, r *recommend.Recommender, version int64) string {
	list, err := r.Recommend(ctx, recommend.Request{K: 1, Version: version})
	if err != nil || len(list.Items) == 0 {
		return ""
	}
	it := list.Items[0]
	if it.Title != "" {
		return fmt.Sprintf("; ids are as imported, try `recflow similar %s` (%s)", it.ItemID, it.Title)
	}
	return fmt.Sprintf("; ids are as imported, try `recflow similar %s`", it.ItemID)
}
