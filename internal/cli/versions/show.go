package versions

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

func newShowCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show [VERSION]",
		Short:             "Show a version: its training, gates and metrics",
		Long:              "Show the live version, or the given one.",
		Example:           "  recflow versions show 7",
		ValidArgsFunction: completeVersions(a),
		Args:              cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var id int64
			if len(args) == 1 {
				var err error
				if id, err = versionArgument(args[0]); err != nil {
					return err
				}
			}
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			report, err := reportOf(cmd.Context(), api, id)
			if err != nil {
				return app.ExplainVersion(err, id)
			}
			return printReport(a, report)
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

// reportOf reads the report of a version, or of the live one for 0.
func reportOf(ctx context.Context, api *apiclient.Client, id int64) (apiclient.VersionReport, error) {
	if id == 0 {
		live, _, err := api.Live(ctx)
		if err != nil {
			return apiclient.VersionReport{}, err
		}
		id = live.Version.ID
	}
	report, _, err := api.Version(ctx, id)
	return report, err
}

func printReport(a *app.App, r apiclient.VersionReport) error {
	if a.Output != "table" {
		return a.Print(output.Listing{Columns: []string{"field", "value"}, Rows: facts(r), JSON: r})
	}
	similar, comparison := output.Similar(r.Similar)
	sections := []struct {
		title string
		l     output.Listing
	}{
		{fmt.Sprintf("version %d", r.ID), output.Listing{Columns: []string{"field", "value"}, Rows: facts(r)}},
		{"data checks that did not pass", output.Checks(r.Checks)},
		{"gates", output.Gates(r.Gates)},
		{fmt.Sprintf("metrics on %d hold-out users, with 95 %% intervals", r.Metrics.Users), output.Metrics(r.Metrics)},
		{similar, comparison},
		{"promotions", changeListing(r.Changes)},
	}
	for i, s := range sections {
		if i > 0 && len(s.l.Rows) > 0 {
			fmt.Fprintln(a.Out)
		}
		a.PrintSection(s.title, s.l)
	}
	if warning := output.PopularityWins(r.Metrics); warning != "" {
		fmt.Fprintln(a.Out, "\n"+warning)
	}
	return nil
}

// facts are the values of the report that fit on a line.
func facts(r apiclient.VersionReport) [][]string {
	state := string(r.State)
	if r.Live {
		state += ", live"
	}
	if r.Pinned {
		state += ", pinned"
	}
	from := "the beginning"
	if !r.Coverage.From.IsZero() {
		from = output.Timestamp(r.Coverage.From)
	}
	p := r.Parameters
	rows := [][]string{
		{"state", state},
		{"run", r.RunID},
		{"created", output.Timestamp(r.CreatedAt)},
		{"covers", from + " to " + output.Timestamp(r.Coverage.To) + ", stored before " + output.Timestamp(r.Coverage.StoredTo)},
		{"input", fmt.Sprintf("%d events of %d users and %d items; %d rows in %d files", r.Input.Events, r.Input.Users, r.Input.Items, r.Input.Rows, r.Input.Files)},
		{"streamed", streamedText(r.Input.Streamed)},
		{"size", fmt.Sprintf("%d items, %d users, %d dimensions", r.Items, r.Users, r.Dimension)},
		{"search", searchText(r.Search)},
		{"training", fmt.Sprintf("%s: rank %d, %d iterations, alpha %.3g, regularization %.3g, exponent %g, seed %d", p.Trainer, p.Rank, p.Iterations, p.Alpha, p.Regularization, p.RegularizationExponent, p.Seed)},
		{"interest", output.Interest(r.Interest)},
	}
	if d := r.Defaults; d != nil {
		rows = append(rows, []string{"defaults", defaultsText(d)})
	}
	if r.Failure != "" {
		rows = append(rows, []string{"failure", r.Failure})
	}
	return rows
}

func streamedText(s recsys.StreamedInput) string {
	text := fmt.Sprintf("%d events", s.Total())
	if b := s.Baseline; b.Version != 0 {
		text += fmt.Sprintf(", %d of them since version %d", s.Count, b.Version)
	}
	return text
}

// defaultsText lists the properties of the data from which settings were chosen.
func defaultsText(d *recsys.Defaults) string {
	text := fmt.Sprintf("%d users with %.3g items each, %d items with %.3g users each, mean weight %.3g",
		d.Users, d.MeanUserItems, d.Items, d.MeanItemUsers, d.MeanWeight)
	if n := d.SingularValues; n != nil {
		text += fmt.Sprintf("; %d singular values above %.3g, rank at most %d", *n, d.Noise, d.RankLimit)
	}
	return text
}

func searchText(s recsys.Search) string {
	if s.Method != recsys.HNSW {
		return s.Method
	}
	text := fmt.Sprintf("hnsw: m %d, ef_construction %d, ef_search %d", s.M, s.EFConstruction, s.EFSearch)
	if s.HalfVector {
		text += ", half precision"
	}
	return text
}

func changeListing(changes []apiclient.LiveChange) output.Listing {
	l := output.Listing{Columns: []string{"revision", "at", "kind", "previous", "actor", "reason"}, JSON: changes}
	for _, f := range changes {
		from := ""
		if f.FromVersion > 0 {
			from = strconv.FormatInt(f.FromVersion, 10)
		}
		l.Rows = append(l.Rows, []string{strconv.FormatInt(f.Revision, 10), output.Timestamp(f.At), f.Kind, from, f.Actor, f.Reason})
	}
	return l
}
