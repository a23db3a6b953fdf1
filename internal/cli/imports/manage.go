package imports

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/importer"
	"github.com/recflow/recflow/internal/importer/report"
)

// NewManageCommand returns the command imports.
func NewManageCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "imports",
		Short: "List, inspect and remove imported files",
	}
	cmd.AddCommand(newListCommand(a), newShowCommand(a), newRemoveCommand(a))
	return cmd
}

func newListCommand(a *app.App) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List imported files, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return app.UsageError(fmt.Errorf("--limit is %d; use 1 or more", limit))
			}
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			found, err := listed(cmd.Context(), api, limit)
			if err != nil {
				return app.ExplainAPI(err)
			}
			return a.Print(listing(found))
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "maximum number of imports")
	a.AddOutputFlag(cmd)
	return cmd
}

// largestPage is the largest page of the API.
const largestPage = 1000

// listed returns the newest imports.
func listed(ctx context.Context, api *apiclient.Client, limit int) ([]apiclient.Import, error) {
	found := []apiclient.Import{}
	for cursor := ""; len(found) < limit; {
		page, err := api.Imports(ctx, cursor, min(limit-len(found), largestPage))
		if err != nil {
			return nil, err
		}
		found = append(found, page.Items...)
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	return found, nil
}

// shownID is the length of an id in a table.
const shownID = 16

func listing(found []apiclient.Import) output.Listing {
	l := output.Listing{Columns: []string{"import", "first_imported_at", "file", "kind", "rows", "accepted", "rejected", "warnings", "state"}, JSON: found}
	for _, i := range found {
		state := "complete"
		switch {
		case !i.Complete:
			state = "incomplete"
		case i.Until != nil:
			state = "until " + output.Timestamp(*i.Until)
		case len(i.Continues) > 0:
			state = "continues " + i.Continues[len(i.Continues)-1].ID[:shownID]
		}
		l.Rows = append(l.Rows, []string{
			i.ID[:shownID], output.Timestamp(i.FirstImportedAt), output.Escape(i.File), i.Kind, output.Count(i.Rows), output.Count(i.Accepted), output.Count(i.Rejected),
			output.Count(int64(len(i.Warnings))), state,
		})
	}
	return l
}

const idHelp = "IMPORT is the id from `recflow imports list`, or enough of its first characters."

func newShowCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show IMPORT",
		Short: "Show an imported file with the report about its rows",
		Long:  "Show an imported file with the report about its rows.\n\n" + idHelp,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, i, err := find(cmd.Context(), a, args[0])
			if err != nil {
				return err
			}
			if i, err = api.Import(cmd.Context(), i.ID); err != nil {
				return app.ExplainAPI(err)
			}
			if a.Output != "table" && a.Output != "" {
				return a.Print(output.Listing{JSON: i})
			}
			return show(a, i)
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

func show(a *app.App, i apiclient.Import) error {
	l := listing([]apiclient.Import{i})
	rows := [][]string{{"import", i.ID}}
	for c := 1; c < len(l.Columns); c++ {
		rows = append(rows, []string{strings.ReplaceAll(l.Columns[c], "_", " "), l.Rows[0][c]})
	}
	if err := a.Print(output.Listing{Columns: []string{"field", "value"}, Rows: rows}); err != nil {
		return err
	}
	var r report.Report
	if len(i.Report) == 0 {
		return nil
	}
	if err := json.NewDecoder(bytes.NewReader(i.Report)).Decode(&r); err != nil {
		return fmt.Errorf("read the report: %w", err)
	}
	printReport(a.Out, importer.FileResult{
		File: output.Escape(i.File), Kind: i.Kind, Format: i.Format, Rows: i.Rows, Accepted: i.Accepted, Rejected: i.Rejected, Report: &r,
	})
	return nil
}

func newRemoveCommand(a *app.App) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "remove IMPORT",
		Short: "Remove an imported file, so that the next training does not know it",
		Long: "Remove the rows of an imported file from the bucket. The next training does not know\n" +
			"them; versions keep what they were trained on. Importing the file again starts afresh.\n" +
			"After an interruption, run the command again. After a catalog was removed,\n" +
			"`recflow items apply-catalog` makes the others apply at once.\n\n" + idHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, i, err := find(cmd.Context(), a, args[0])
			if err != nil {
				return err
			}
			if !yes {
				if err := a.Confirm(fmt.Sprintf("Remove %s with %s rows, imported %s?", output.Escape(i.File), output.Thousands(i.Rows), output.Timestamp(i.FirstImportedAt))); err != nil {
					return err
				}
			}
			removed, err := api.RemoveImport(cmd.Context(), i.ID)
			if err != nil {
				return app.ExplainAPI(err)
			}
			return a.Print(output.Listing{
				Columns: []string{"import", "file", "objects"},
				Rows:    [][]string{{i.ID[:shownID], output.Escape(i.File), output.Count(int64(removed.Objects))}},
				JSON:    removed,
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask for confirmation")
	a.AddOutputFlag(cmd)
	return cmd
}

// isID matches the beginning of an id.
var isID = regexp.MustCompile("^[0-9a-f]{4,64}$")

// find returns the import whose id begins with a text.
func find(ctx context.Context, a *app.App, id string) (*apiclient.Client, apiclient.Import, error) {
	var none apiclient.Import
	if !isID.MatchString(id) {
		return nil, none, app.UsageError(fmt.Errorf("%.80q is not the id of an import; list them with `recflow imports list`", id))
	}
	api, err := a.OpenAPI()
	if err != nil {
		return nil, none, err
	}
	all, err := listed(ctx, api, 1<<20)
	if err != nil {
		return nil, none, app.ExplainAPI(err)
	}
	var found []apiclient.Import
	for _, i := range all {
		if strings.HasPrefix(i.ID, id) {
			found = append(found, i)
		}
	}
	switch len(found) {
	case 0:
		return nil, none, fmt.Errorf("there is no import %s; list them with `recflow imports list`", id)
	case 1:
		return api, found[0], nil
	}
	return nil, none, fmt.Errorf("%d imports begin with %s; give more characters", len(found), id)
}
