package streams

import (
	"fmt"
	"strconv"
	"time"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
)

func printStreamStatus(a *app.App, s streamStatus) error {
	if a.Output != "table" {
		return a.Print(output.Listing{Columns: []string{"measure", "of", "value"}, Rows: s.measures(), JSON: s})
	}
	if m := s.Mapping; m != nil {
		fmt.Fprintf(a.Out, "stream %s · %s · iterator age %s\n", m.Stream, m.State, age(m.IteratorAgeMS))
		if m.LastError != "" && m.IteratorAgeMS > 0 { // otherwise the error is over
			fmt.Fprintf(a.Out, "last error, %s: %s\n", m.LastErrorAt.UTC().Format(time.RFC3339), output.Escape(m.LastError))
		}
		if err := a.PrintTable([]string{"shard", "state", "pending", "iterator_age", "checkpoint"}, s.shardRows()); err != nil {
			return err
		}
		c := m.Counts
		fmt.Fprintf(a.Out, "records since its start: %d read, %d done, %d discarded; %d invocations, of which %d failed and %d in part\n\n",
			c.Read, c.Succeeded, c.Discarded, c.Invocations, c.FunctionErrors, c.PartialFailures)
	}
	fmt.Fprintf(a.Out, "%s events in %s, %.1f/s", output.Thousands(s.Events), time.Duration(s.Seconds*float64(time.Second)), s.PerSecond)
	if s.Events == 0 {
		fmt.Fprintln(a.Out)
		return nil
	}
	fmt.Fprintf(a.Out, ", the last at %s\n", s.Newest.UTC().Format(time.RFC3339))
	f := s.Freshness
	fmt.Fprintf(a.Out, "from arrival to verdict: p50 %.0f ms, p95 %.0f ms, p99 %.0f ms\n\n", f.P50, f.P95, f.P99)
	var rows [][]string
	for _, v := range s.Verdicts {
		rows = append(rows, []string{v.Verdict, v.Reason, output.Count(v.Events), output.Percent(float64(v.Events) / float64(s.Events))})
	}
	if err := a.PrintTable([]string{"verdict", "reason", "events", "share"}, rows); err != nil || len(s.Stages) == 0 {
		return err
	}
	rows = nil
	for _, c := range s.Stages {
		rows = append(rows, []string{c.Stage, output.Count(c.Events), output.Percent(c.Share)})
	}
	fmt.Fprintln(a.Out)
	return a.PrintTable([]string{"stage", "events", "share"}, rows)
}

func (s streamStatus) shardRows() (rows [][]string) {
	for _, sh := range s.Mapping.Shards {
		rows = append(rows, []string{sh.ID, sh.State, strconv.Itoa(sh.Pending), age(sh.IteratorAgeMS), sh.Checkpoint})
	}
	return rows
}

// measures returns every value as a row, for CSV.
func (s streamStatus) measures() (rows [][]string) {
	add := func(measure, of, value string) { rows = append(rows, []string{measure, of, value}) }
	if m := s.Mapping; m != nil {
		add("iterator_age_ms", "", output.Count(m.IteratorAgeMS))
		for _, sh := range m.Shards {
			add("shard_state", sh.ID, sh.State)
			add("shard_iterator_age_ms", sh.ID, output.Count(sh.IteratorAgeMS))
			add("shard_pending", sh.ID, strconv.Itoa(sh.Pending))
		}
	}
	add("events", "", output.Count(s.Events))
	add("events_per_second", "", strconv.FormatFloat(s.PerSecond, 'g', 6, 64))
	for _, v := range s.Verdicts {
		of := v.Verdict
		if v.Reason != "" {
			of += "/" + v.Reason
		}
		add("verdict_events", of, output.Count(v.Events))
	}
	for _, c := range s.Stages {
		add("stage_share", c.Stage, strconv.FormatFloat(c.Share, 'g', 6, 64))
	}
	if f := s.Freshness; f != nil {
		for _, q := range []struct {
			name string
			ms   float64
		}{{"p50", f.P50}, {"p95", f.P95}, {"p99", f.P99}} {
			add("freshness_ms", q.name, strconv.FormatFloat(q.ms, 'g', 6, 64))
		}
	}
	return rows
}

// age formats milliseconds for people.
func age(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	if d >= 10*time.Second {
		d = d.Round(time.Second)
	}
	return d.String()
}
