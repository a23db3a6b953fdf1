package streams

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/database"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
)

const streamQualityLong = `Compares what live state is worth with what the version alone knows. For a
sample of the events, before they were folded, the stream looked where the item
that the user went for stood: in the list that the user would have had (live),
and in that of the version alone (stale).

hit-rate@20 is the share of these items among the first 20. The difference
(live - stale) is paired, with an interval that holds the true one in 95 of 100
cases, from the events where only one of the two had a hit. mrr is the mean of
1/rank, 0 beyond the first hundred.

A stage is that of the live list. Events of one user resemble each other, so
take an interval over few users for narrower than it should be.`

func newQualityCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quality",
		Short: "Show how much better lists are for following the stream",
		Long:  streamQualityLong,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.CheckOutput(); err != nil {
				return err
			}
			return showQuality(cmd.Context(), a)
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

// streamQuality is one line of what the command prints.
type streamQuality struct {
	vectorstore.EvaluationStats
	LiveRate   float64 `json:"live_hit_rate_20"`
	StaleRate  float64 `json:"stale_hit_rate_20"`
	Difference float64 `json:"difference"`
	Low        float64 `json:"difference_low"` // of the 95 % interval
	High       float64 `json:"difference_high"`
}

// allStages is the line that sums up a version.
const allStages = "all"

func showQuality(ctx context.Context, a *app.App) error {
	store, err := database.Open(ctx, a)
	if err != nil {
		return err
	}
	defer store.Close()
	stats, err := store.EvaluationStats(ctx)
	if err != nil {
		return err
	}
	lines := []streamQuality{}
	for _, s := range withTotals(stats) {
		lines = append(lines, newStreamQuality(s))
	}
	if len(lines) == 0 && (a.Output == "table" || a.Output == "") {
		_, err := fmt.Fprintln(a.Out, "no event has been evaluated yet; the stream evaluates a share of them (RECFLOW_EVALUATE_SHARE), each user's first of an item")
		return err
	}
	return a.Print(qualityListing(lines, a.Output != "csv"))
}

func newStreamQuality(s vectorstore.EvaluationStats) streamQuality {
	n := float64(s.Events)
	q := streamQuality{EvaluationStats: s, LiveRate: float64(s.LiveHits) / n, StaleRate: float64(s.StaleHits) / n}
	q.Difference = q.LiveRate - q.StaleRate
	q.Low, q.High = recsys.PairedInterval(s.OnlyLive, s.OnlyStale, s.Events)
	return q
}

// withTotals adds, after the stages of each version that has several, their sum.
func withTotals(stats []vectorstore.EvaluationStats) (out []vectorstore.EvaluationStats) {
	for len(stats) > 0 {
		n := 1
		for n < len(stats) && stats[n].Version == stats[0].Version {
			n++
		}
		out = append(out, stats[:n]...)
		if n > 1 {
			out = append(out, total(stats[:n]))
		}
		stats = stats[n:]
	}
	return out
}

func total(stats []vectorstore.EvaluationStats) vectorstore.EvaluationStats {
	sum := vectorstore.EvaluationStats{Version: stats[0].Version, Stage: allStages}
	for _, s := range stats {
		sum.Events += s.Events
		sum.LiveHits += s.LiveHits
		sum.StaleHits += s.StaleHits
		sum.OnlyLive += s.OnlyLive
		sum.OnlyStale += s.OnlyStale
		sum.LiveReciprocal += s.LiveReciprocal * float64(s.Events)
		sum.StaleReciprocal += s.StaleReciprocal * float64(s.Events)
	}
	sum.LiveReciprocal /= float64(sum.Events)
	sum.StaleReciprocal /= float64(sum.Events)
	return sum
}

func qualityListing(lines []streamQuality, people bool) output.Listing {
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
