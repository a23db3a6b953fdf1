// Package items has the command items.
package items

import (
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
)

// NewCommand returns the command items.
func NewCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "items",
		Short: "Show items, and say what holds of them in every version",
	}
	cmd.AddCommand(newShowCommand(a), newSetCommand(a))
	return cmd
}

func newShowCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show ITEM",
		Short:   "Show an item as it is now",
		Example: "  recflow items show 995242",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			item, err := api.Item(cmd.Context(), args[0])
			if err != nil {
				return app.ExplainAPI(err)
			}
			return a.Print(itemListing(item))
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

func newSetCommand(a *app.App) *cobra.Command {
	var available bool
	var title, category string
	var change apiclient.ItemChange
	cmd := &cobra.Command{
		Use:   "set ITEM",
		Short: "Say whether an item is available, and what it is",
		Long: "Holds from the next answer on, the stream's included, and in every version. What is not\n" +
			"named stays as it is; --reset leaves something to the versions again.",
		Example: "  recflow items set 995242 --available=false\n" +
			"  recflow items set 995242 --title 'Desk lamp' --tag bright --tag new\n" +
			"  recflow items set 995242 --reset available",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags := cmd.Flags()
			if flags.Changed("available") {
				change.Available = &available
			}
			if flags.Changed("title") {
				change.Title = &title
			}
			if flags.Changed("category") {
				change.Category = &category
			}
			if change.Available == nil && change.Title == nil && change.Category == nil && change.Tags == nil && change.Reset == nil {
				return app.UsageError(errors.New("say what to change: --available, --title, --category, --tag or --reset"))
			}
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			item, err := api.SetItem(cmd.Context(), args[0], change)
			if err != nil {
				return app.ExplainAPI(err)
			}
			return a.Print(itemListing(item))
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&available, "available", true, "whether it may be in a list")
	flags.StringVar(&title, "title", "", "what it is called")
	flags.StringVar(&category, "category", "", "its category; empty for none")
	flags.StringArrayVar(&change.Tags, "tag", nil, "one of its tags, in place of those it has; may be repeated")
	flags.StringSliceVar(&change.Reset, "reset", nil, "leave this to the versions again: available, title, category or tags")
	_ = cmd.RegisterFlagCompletionFunc("reset", cobra.FixedCompletions([]string{"available", "title", "category", "tags"}, cobra.ShellCompDirectiveNoFileComp))
	a.AddOutputFlag(cmd)
	return cmd
}

// itemListing shows an item, and which of it is said beside the versions.
func itemListing(i apiclient.ItemNow) output.Listing {
	var said []string
	if s := i.Said; s != nil {
		for _, part := range []struct {
			name string
			said bool
		}{{"available", s.Available != nil}, {"title", s.Title != nil}, {"category", s.Category != nil}, {"tags", s.Tags != nil}} {
			if part.said {
				said = append(said, part.name)
			}
		}
	}
	return output.Listing{
		Columns: []string{"item", "title", "category", "tags", "available", "in_live_version", "said"},
		Rows: [][]string{{i.ItemID, i.Title, i.Category, strings.Join(i.Tags, " "), strconv.FormatBool(i.Available),
			strconv.FormatBool(i.Known), strings.Join(said, " ")}},
		JSON: i,
	}
}
