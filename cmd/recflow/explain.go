package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

func (a *app) explainCommand() *cobra.Command {
	req := recommend.Request{K: 10}
	cmd := &cobra.Command{
		Use:   "explain USER ITEM",
		Short: "Say where the score of an item for a user comes from",
		Long: "Splits the score of an item for a user into what each item of the user's history adds to\n" +
			"it. The terms sum to the score. Says also when the item is not in the user's list, and why.",
		Example: "  recflow explain 1364 995242",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			for i, kind := range []string{"user", "item"} {
				if err := recsys.CheckID(kind, args[i]); err != nil {
					return exitError{exitUsage, err}
				}
			}
			if err := req.Check(); err != nil {
				return exitError{exitUsage, err}
			}
			req.UserID = args[0]
			return a.explain(cmd.Context(), req, args[1])
		},
	}
	cmd.Flags().Int64Var(&req.Version, "version", 0, "read this version in place of the live one")
	cmd.Flags().StringArrayVar(&req.Recent, "recent", nil, "an item clicked just now; may be repeated")
	a.addOutputFlag(cmd)
	return cmd
}

func (a *app) explain(ctx context.Context, req recommend.Request, itemID string) error {
	store, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	r := recommend.Recommender{Store: store}
	e, err := r.Explain(ctx, req, itemID)
	if errors.Is(err, recommend.ErrUnknownItem) {
		return fmt.Errorf("%w%s", err, suggestItem(ctx, &r, req.Version))
	}
	if err != nil {
		return explainVersion(err, req.Version)
	}
	if a.output == "table" {
		fmt.Fprintf(a.out, "%s for user %s · %s · version %d · score %s\n",
			strings.TrimSpace(itemID+" "+e.Item.Title), e.UserID, e.Stage, e.Version, number(e.Score))
		if len(e.LeftOut) > 0 {
			fmt.Fprintf(a.out, "not in the list: %s\n", strings.Join(e.LeftOut, ", "))
		}
		if e.Rule != "" {
			fmt.Fprintln(a.out, e.Rule)
			return nil
		}
	}
	l := listing{columns: []string{"item", "title", "weight", "adds"}, json: e}
	for _, t := range e.Terms {
		l.rows = append(l.rows, []string{t.ItemID, t.Title, number(float64(t.Weight)), strconv.FormatFloat(t.Score, 'f', 6, 64)})
	}
	return a.print(l)
}
