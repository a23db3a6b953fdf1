// Package quarantine has the command quarantine.
package quarantine

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
)

// NewCommand returns the command quarantine.
func NewCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "Inspect and replay records that the stream could not process",
	}
	cmd.AddCommand(newListCommand(a), newShowCommand(a), newReplayCommand(a))
	return cmd
}

const quarantineListLong = `List records that the stream could not process and never will, newest first:
the reason, and their position in the stream. A record that was delivered twice
is listed once. They are stored in the bucket, under quarantine/.

Reasons: too_large, not_utf8, not_json, too_deep, duplicate_field,
missing_field, bad_id, bad_value, bad_time, bad_aggregate (a damaged aggregated
record, or a record of too many events), bad_encoding (damaged gzip data),
conflict (an event with the same id and other content was stored before) and
undecodable.`

// chosen selects quarantined records.
type chosen struct {
	since  time.Duration
	reason string
	limit  int
}

func newListCommand(a *app.App) *cobra.Command {
	var f chosen
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List quarantined records, newest first",
		Long:    quarantineListLong,
		Example: "  recflow quarantine list --since 168h --reason conflict\n  recflow quarantine list -o csv > quarantine.csv",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.limit < 1 {
				return app.UsageError(fmt.Errorf("--limit is %d; use 1 or more", f.limit))
			}
			if f.since <= 0 {
				return app.UsageError(fmt.Errorf("--since is %s; use more than 0", f.since))
			}
			return list(cmd.Context(), a, f)
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&f.since, "since", 24*time.Hour, "records quarantined within this time")
	flags.StringVar(&f.reason, "reason", "", "only records with this reason")
	flags.IntVar(&f.limit, "limit", 100, "maximum number of records")
	a.AddOutputFlag(cmd)
	return cmd
}

func list(ctx context.Context, a *app.App, f chosen) error {
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	found, err := newest(ctx, newPages(a, api, f.since), f)
	if err != nil {
		return err
	}
	if len(found) == 0 && (a.Output == "table" || a.Output == "") {
		_, err := fmt.Fprintf(a.Out, "no records were quarantined in the last %s\n", f.since)
		return err
	}
	l := output.Listing{Columns: []string{"quarantine_id", "quarantined_at", "reason", "event_id", "bytes", "detail"}, JSON: found}
	for _, q := range found {
		l.Rows = append(l.Rows, []string{output.Escape(q.QuarantineID), q.QuarantinedAt.UTC().Format(time.RFC3339), output.Escape(q.Reason), output.Escape(q.EventID), output.Count(int64(q.RawBytes)), output.Escape(q.Detail)})
	}
	return a.Print(l)
}

// newest returns the newest selected records, newest first.
func newest(ctx context.Context, p *pages, f chosen) ([]apiclient.QuarantineRecord, error) {
	found := []apiclient.QuarantineRecord{}
	for _, day := range slices.Backward(p.days()) {
		// A record that is delivered on a day was quarantined before its end.
		if len(found) == f.limit && !found[f.limit-1].QuarantinedAt.Before(day.AddDate(0, 0, 1)) {
			break
		}
		most := len(found) + f.limit
		q := apiclient.QuarantineQuery{Day: day, Reason: f.reason, Limit: min(f.limit, largestPage)}
		err := p.each(ctx, q, func(r apiclient.QuarantineRecord) (bool, error) {
			found = append(found, r)
			return len(found) < most, nil
		})
		if err != nil {
			return nil, err
		}
		slices.SortStableFunc(found, func(a, b apiclient.QuarantineRecord) int {
			return cmp.Or(b.QuarantinedAt.Compare(a.QuarantinedAt), strings.Compare(a.QuarantineID, b.QuarantineID))
		})
		found = found[:min(f.limit, len(found))]
	}
	return found, nil
}

func newShowCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a quarantined record with its payload",
		Long:  "Print a quarantined record with its payload: control characters and bytes that are\nnot text are escaped, as \\x1b. With -o json the payload is base64, unchanged.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return show(cmd.Context(), a, args[0])
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

func show(ctx context.Context, a *app.App, id string) error {
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	q, err := api.QuarantineRecord(ctx, "", id)
	if err != nil {
		return explain(err, id)
	}
	if a.Output == "json" || a.Output == "yaml" {
		return a.Print(output.Listing{JSON: q})
	}
	fields, err := documentFields(q)
	if err != nil {
		return err
	}
	l := output.Listing{Columns: []string{"field", "value"}, Rows: fields}
	if a.Output == "csv" {
		l.Rows = append(l.Rows, []string{"raw", base64.StdEncoding.EncodeToString(q.Raw)})
		return a.Print(l)
	}
	if err := a.Print(l); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Out, "\n%s\n", output.Escape(string(q.Raw)))
	return err
}

// explain adds to the error of a request for a record what to do about it.
func explain(err error, id string) error {
	if app.ExitCode(err) == app.ExitNotFound {
		return fmt.Errorf("no record %.64q in quarantine, or its payload has expired; see `recflow quarantine list`: %w", id, recsys.ErrNotFound)
	}
	return app.ExplainAPI(err)
}

// documentFields returns a record without its payload, in the order of its
// fields.
func documentFields(q apiclient.QuarantineRecord) (rows [][]string, err error) {
	q.Raw = nil
	data, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	var values map[string]any
	if err := json.Unmarshal(data, &values); err != nil {
		return nil, err
	}
	for _, name := range []string{
		"quarantine_id", "reason", "detail", "event_id", "raw_bytes", "raw_key", "object", "stream", "shard", "sequence_number",
		"sub_sequence", "arrived_at", "quarantined_at",
	} {
		if v, ok := values[name]; ok {
			rows = append(rows, []string{name, output.Escape(fmt.Sprint(v))})
		}
	}
	return rows, nil
}
