package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/recommend"
)

func (a *app) similarCommand() *cobra.Command {
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
			if err := a.checkOutput(); err != nil {
				return err
			}
			if err := (recommend.Request{K: k, Version: version}).Check(); err != nil {
				return exitError{2, err}
			}
			return a.similar(cmd.Context(), args[0], k, category, version)
		},
	}
	flags := cmd.Flags()
	flags.IntVarP(&k, "k", "k", 10, "length of the list")
	flags.StringVar(&category, "category", "", "only items of this category")
	flags.Int64Var(&version, "version", 0, "read this version in place of the live one")
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) similar(ctx context.Context, itemID string, k int, category string, version int64) error {
	store, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	r := recommend.Recommender{Store: store}
	list, err := r.Similar(ctx, itemID, recommend.Request{K: k, Category: category, Version: version})
	if errors.Is(err, recommend.ErrUnknownItem) {
		return fmt.Errorf("%w%s", err, suggestItem(ctx, &r, version))
	}
	if err != nil {
		return explainVersion(err, version)
	}
	if a.output == "table" {
		fmt.Fprintf(a.out, "similar to %s · version %d\n", strings.TrimSpace(itemID+" "+list.Item.Title), list.Version)
		if len(list.Items) == 0 {
			fmt.Fprintln(a.out, noItems)
			return nil
		}
	}
	return a.print(similarListing(list, a.output == "csv"))
}

func similarListing(list recommend.List, csv bool) listing {
	if !csv {
		return listing{columns: rankedColumns, rows: rankedRows(list.Items), json: list}
	}
	l := listing{columns: []string{"item_id", "similar_item_id", "rank", "score", "version"}}
	for _, it := range list.Items {
		l.rows = append(l.rows, []string{list.Item.ItemID, it.ItemID, strconv.Itoa(it.Rank), score(it.Score), strconv.FormatInt(list.Version, 10)})
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
