package interest

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
)

func newCheckCommand(a *app.App) *cobra.Command {
	var file string
	var version int64
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Show what an interest makes of the data",
		Long: "Show how many events of each type add interest, how many users and items are left\n" +
			"without any, and what changes against the live version. Without --interest it checks\n" +
			"the interest of the schedule or of the live version.\n\n" +
			"It counts the events of the newest training and starts nothing. For a file that is not\n" +
			"imported yet, see `recflow import --dry-run`.",
		Example: "  recflow interest check --interest interest.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return check(cmd.Context(), a, file, version)
		},
	}
	cmd.Flags().StringVar(&file, "interest", "", "file with the weights of event types, YAML or JSON")
	cmd.Flags().Int64Var(&version, "version", 0, "count the events of the training of this version (default: the newest)")
	a.AddOutputFlag(cmd)
	return cmd
}

func check(ctx context.Context, a *app.App, file string, version int64) error {
	in, name := apiclient.CheckInterest{Version: version}, file
	var err error
	if file != "" {
		if in.Interest, err = app.ReadInterest(file); err != nil {
			return app.UsageError(fmt.Errorf("--interest: %w", err))
		}
	}
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	if file == "" {
		var s recsys.InterestSettings
		if s, name, err = current(ctx, api); err != nil {
			return app.ExplainAPI(err)
		}
		in.Interest = &s
	}
	r, err := api.CheckInterest(ctx, in)
	if err != nil {
		return app.ExplainAPI(err)
	}
	return printCheck(a, r, name)
}

func printCheck(a *app.App, r apiclient.InterestReport, name string) error {
	types := typeListing(r.Check)
	if a.Output != "table" {
		types.JSON = r
		return a.Print(types)
	}
	fmt.Fprintf(a.Out, "interest of %s: %s\n\n", name, output.Interest(r.Interest))
	a.PrintSection(fmt.Sprintf("events before %s, as the training of version %d read them", output.Timestamp(r.Coverage.To), r.Version), types)
	fmt.Fprintln(a.Out)
	a.PrintSection("what they train", changeListing(r))
	for _, note := range r.Check.Notes {
		fmt.Fprintf(a.Out, "note: %s\n", note)
	}
	return nil
}

func typeListing(c recsys.InterestCheck) output.Listing {
	l := output.Listing{Columns: []string{"type", "events", "weight", "value_use", "add_interest", "take_back"}}
	for _, t := range c.Types {
		weight := "none"
		if t.Declared {
			weight = strconv.FormatFloat(t.Weight, 'g', -1, 64)
		}
		l.Rows = append(l.Rows, []string{t.Type, output.Count(t.Events), weight, t.ValueUse, output.Count(t.Counting), output.Count(t.Negative)})
	}
	return l
}

// changeListing compares the interest with that of the live version.
func changeListing(r apiclient.InterestReport) output.Listing {
	l := output.Listing{Columns: []string{"", "this_interest"}}
	checks := []recsys.InterestCheck{r.Check}
	if r.Live != nil {
		l.Columns = append(l.Columns, fmt.Sprintf("live_version_%d", r.Live.Version))
		checks = append(checks, r.Live.Check)
	}
	for _, row := range []struct {
		name string
		of   func(recsys.InterestCheck) string
	}{
		{"events that add interest", func(c recsys.InterestCheck) string { return share(c.Counting, c.Events, 0) }},
		{"events that take it back", func(c recsys.InterestCheck) string { return share(c.Negative, c.Events, 0) }},
		{"users without any", func(c recsys.InterestCheck) string { return share(c.UsersWithout, c.Users, c.UsersUnknown) }},
		{"items without any", func(c recsys.InterestCheck) string { return share(c.ItemsWithout, c.Items, c.ItemsUnknown) }},
	} {
		cells := []string{row.name}
		for _, c := range checks {
			cells = append(cells, row.of(c))
		}
		l.Rows = append(l.Rows, cells)
	}
	return l
}

func share(n, of, unknown int64) string {
	text := fmt.Sprintf("%s of %s (%s)", output.Thousands(n), output.Thousands(of), output.Percent(float64(n)/float64(max(1, of))))
	if unknown > 0 {
		text += fmt.Sprintf(", %s unknown", output.Thousands(unknown))
	}
	return text
}
