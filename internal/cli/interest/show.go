package interest

import (
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
)

const fileHeader = `# Interest: %s.
# weights: what an event of each type says about the interest in an item. A type that is
#   not here trains nothing; a negative weight takes back interest. Names are compared
#   without case, spaces, _ and -.
# value_use: what the value of an event does, by type: ignore (the default), log (times
#   log2(1 + |value|)) or value (times |value|). A negative value takes back interest.
# rating_threshold: the smallest rating that counts.
# half_life: the age at which an event has lost half of its weight; never for none.
# floor: the smallest weight of an item that counts, after all events are summed.
`

func newShowCommand(a *app.App) *cobra.Command {
	var defaults bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the interest as a file to start from",
		Long: "Print the interest of the schedule or, without a schedule, of the live version, as a\n" +
			"file for --interest.",
		Example: "  recflow interest show --defaults > interest.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, from := recsys.DefaultInterest().Settings(), "the defaults"
			if !defaults {
				api, err := a.OpenAPI()
				if err == nil {
					settings, from, err = current(cmd.Context(), api)
				}
				if err != nil {
					return app.ExplainAPI(err)
				}
			}
			return printSettings(a, settings, from)
		},
	}
	cmd.Flags().BoolVar(&defaults, "defaults", false, "print the built-in settings")
	a.AddOutputFlag(cmd)
	return cmd
}

func printSettings(a *app.App, s recsys.InterestSettings, from string) error {
	if a.Output != "table" {
		return a.Print(output.Listing{Columns: []string{"type", "weight", "value_use"}, Rows: weightRows(s), JSON: s})
	}
	data, err := yaml.Marshal(s)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Out, fileHeader+"%s", from, data)
	return nil
}

// weightRows are the weights for CSV.
func weightRows(s recsys.InterestSettings) (rows [][]string) {
	in := recsys.Interest{Weights: s.Weights, ValueUse: s.ValueUse}
	for _, t := range in.TypesByWeight() {
		rows = append(rows, []string{t, fmt.Sprintf("%g", s.Weights[t]), in.UseOf(t)})
	}
	return rows
}
