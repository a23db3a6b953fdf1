package streams

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
)

const streamQualityLong = `Compare lists that include the streamed events (live) with lists of the version
alone (stale). For a sample of the events, the stream recorded the rank of the
event's item in both lists, before the event was folded in.

hit-rate@20 is the share of these items among the first 20. The difference
(live - stale) is paired, with a 95 % interval that is computed from the events
where only one of the two lists had a hit. mrr is the mean of 1/rank, 0 beyond
the first hundred.

The stage is that of the live list. Events of one user are correlated, so an
interval over few users is too narrow.`

func newQualityCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quality",
		Short: "Show how much streamed events improve recommendations",
		Long:  streamQualityLong,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return showQuality(cmd.Context(), a)
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

func showQuality(ctx context.Context, a *app.App) error {
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	quality, err := api.StreamQuality(ctx)
	if err != nil {
		return app.ExplainAPI(err)
	}
	if len(quality.Items) == 0 && (a.Output == "table" || a.Output == "") {
		_, err := fmt.Fprintln(a.Out, "no event has been evaluated yet; the stream evaluates a share of the events (RECFLOW_EVALUATE_SHARE), each user's first one on an item")
		return err
	}
	return a.Print(qualityListing(quality.Items, a.Output != "csv"))
}

func qualityListing(lines []apiclient.StageQuality, people bool) output.Listing {
	l := output.Listing{
		Columns: []string{"version", "stage", "events", "live_hit_rate_20", "stale_hit_rate_20", "difference", "low", "high", "live_mrr", "stale_mrr"},
		JSON:    lines,
	}
	if people {
		l.Columns = []string{"version", "stage", "events", "hit-rate@20 live", "stale", "difference", "95 %", "mrr live", "stale"}
	}
	for _, q := range lines {
		row := []string{strconv.FormatInt(q.Version, 10), q.Stage, output.Count(q.Events)}
		f, signed := "%.6f", "%.6f"
		if people {
			f, signed = "%.4f", "%+.4f"
		}
		number := func(format string, x float64) string { return fmt.Sprintf(format, x) }
		row = append(row, number(f, q.LiveRate), number(f, q.StaleRate), number(signed, q.Difference))
		if people {
			row = append(row, number(signed, q.Low)+" to "+number(signed, q.High))
		} else {
			row = append(row, number(signed, q.Low), number(signed, q.High))
		}
		l.Rows = append(l.Rows, append(row, number(f, q.LiveReciprocal), number(f, q.StaleReciprocal)))
	}
	return l
}
