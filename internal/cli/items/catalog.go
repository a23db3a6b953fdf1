package items

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
)

func newApplyCatalogCommand(a *app.App) *cobra.Command {
	var patience time.Duration
	cmd := &cobra.Command{
		Use:   "apply-catalog",
		Short: "Apply the imported catalogs at once",
		Long: "Compare the imported catalogs with the versions that exist. Where they differ, an override\n" +
			"with the source catalog makes an item available or unavailable from the next list on; an\n" +
			"override of an operator wins. `recflow import --replace` does this by itself. Without it a\n" +
			"catalog applies from the next version on.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			run, err := app.ApplyCatalog(cmd.Context(), api, patience)
			if err != nil {
				return err
			}
			err = a.Print(output.Listing{
				Columns: []string{"state", "items", "complete", "unavailable", "available", "changed"},
				Rows: [][]string{{run.State, output.Count(run.Items), strconv.FormatBool(run.Complete), output.Count(run.Unavailable),
					output.Count(run.Available), output.Count(run.Changed)}},
				JSON: run,
			})
			switch {
			case err != nil:
				return err
			case run.State == "failed":
				return errors.New("the catalog could not be applied; " + run.Error)
			case run.State == "running":
				return fmt.Errorf("the application has not ended in %s; %s", patience, app.CatalogText(run))
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&patience, "timeout", 10*time.Minute, "how long to wait for the end")
	a.AddOutputFlag(cmd)
	return cmd
}
