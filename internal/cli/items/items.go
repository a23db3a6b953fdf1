// Package items has the command items.
package items

import (
	"errors"
	"fmt"
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
		Short: "Show items and override their availability and metadata",
	}
	cmd.AddCommand(newShowCommand(a), newSetCommand(a), newApplyCatalogCommand(a))
	return cmd
}

func newShowCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show ITEM",
		Short:   "Show the current state of an item",
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
	var title, category, file string
	var change apiclient.ItemChange
	cmd := &cobra.Command{
		Use:   "set [ITEM]",
		Short: "Update the availability and metadata of an item, or of many",
		Long: "An override applies from the next list on, also in the stream, and in every version. Other\n" +
			"fields stay as they are; --reset removes an override, so that the version's value applies.\n\n" +
			"With --file every line changes an item:\n\n" +
			"  {\"item_id\": \"995242\", \"available\": false}",
		Example: "  recflow items set 995242 --available=false\n" +
			"  recflow items set 995242 --title 'Desk lamp' --tag bright --tag new\n" +
			"  recflow items set 995242 --reset available\n" +
			"  recflow items set --file sold-out.jsonl",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags := cmd.Flags()
			if err := checkTarget(cmd, args, file); err != nil {
				return err
			}
			if file != "" {
				return setFromFile(cmd.Context(), a, file)
			}
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
				return app.UsageError(errors.New("nothing to change: pass --available, --title, --category, --tag or --reset"))
			}
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			item, err := api.SetItem(cmd.Context(), args[0], change)
			if err != nil {
				return app.ExplainAPI(err)
			}
			if !item.Known {
				fmt.Fprintf(a.Err, "warning: the live version does not have the item %s; the override applies once a version has it\n", output.Escape(args[0]))
			}
			return a.Print(itemListing(item))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&file, "file", "", "file with a change per line, JSON lines as in PUT /items; - for standard input")
	flags.BoolVar(&available, "available", true, "whether the item may be recommended")
	flags.StringVar(&title, "title", "", "title of the item")
	flags.StringVar(&category, "category", "", "category of the item; empty for none")
	flags.StringArrayVar(&change.Tags, "tag", nil, "tag of the item, replaces all existing ones; may be repeated")
	flags.StringSliceVar(&change.Reset, "reset", nil, "remove this override: available, title, category or tags")
	_ = cmd.RegisterFlagCompletionFunc("reset", cobra.FixedCompletions([]string{"available", "title", "category", "tags"}, cobra.ShellCompDirectiveNoFileComp))
	a.AddOutputFlag(cmd)
	return cmd
}

// itemListing shows an item, and which of its fields are overridden.
func itemListing(i apiclient.CurrentItem) output.Listing {
	var overridden []string
	if s := i.Overrides; s != nil {
		for _, part := range []struct {
			name string
			set  bool
		}{{availableBy(s.Source), s.Available != nil}, {"title", s.Title != nil}, {"category", s.Category != nil}, {"tags", s.Tags != nil}} {
			if part.set {
				overridden = append(overridden, part.name)
			}
		}
	}
	return output.Listing{
		Columns: []string{"item", "title", "category", "tags", "available", "in_live_version", "overrides"},
		Rows: [][]string{{i.ItemID, i.Title, i.Category, strings.Join(i.Tags, " "), strconv.FormatBool(i.Available),
			strconv.FormatBool(i.Known), strings.Join(overridden, ", ")}},
		JSON: i,
	}
}

// availableBy names the override of the availability: that of an operator needs no name.
func availableBy(source string) string {
	if source == apiclient.SourceCatalog {
		return "available (catalog)"
	}
	return "available"
}
