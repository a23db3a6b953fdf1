// Package quarantine has the command quarantine.
package quarantine

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

// NewCommand returns the command quarantine.
func NewCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "Look at records that the stream could not use, and send them again",
	}
	cmd.AddCommand(newListCommand(a), newShowCommand(a), newReplayCommand(a))
	return cmd
}

const quarantineListLong = `Lists records that the stream could not use and never will, newest first: what
was wrong, and where in the stream they stood. A record delivered twice is
listed once. They are kept in the bucket, under quarantine/.

Reasons: too_large, not_utf8, not_json, too_deep, duplicate_field,
missing_field, bad_id, bad_value, bad_time, bad_aggregate (an aggregated record
that is damaged), conflict (another event with the same id was there first) and
undecodable.`

// chosen says which quarantined records are meant.
type chosen struct {
	since  time.Duration // 0: all
	reason string
	limit  int // 0: all
}

func newListCommand(a *app.App) *cobra.Command {
	var f chosen
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the records in quarantine, newest first",
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
			if err := a.CheckOutput(); err != nil {
				return err
			}
			return list(cmd.Context(), a, f)
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&f.since, "since", 24*time.Hour, "records of this long")
	flags.StringVar(&f.reason, "reason", "", "only those with this reason")
	flags.IntVar(&f.limit, "limit", 100, "at most this many")
	a.AddOutputFlag(cmd)
	return cmd
}

func list(ctx context.Context, a *app.App, f chosen) error {
	store, err := openReader(ctx, a)
	if err != nil {
		return err
	}
	docs, err := store.newest(ctx, f)
	if err != nil {
		return err
	}
	if len(docs) == 0 && (a.Output == "table" || a.Output == "") {
		_, err := fmt.Fprintf(a.Out, "nothing went to quarantine in the last %s\n", f.since)
		return err
	}
	l := output.Listing{Columns: []string{"quarantine_id", "quarantined_at", "reason", "event_id", "bytes", "detail"}, JSON: docs}
	if docs == nil {
		l.JSON = []stream.Quarantined{}
	}
	for _, q := range docs {
		l.Rows = append(l.Rows, []string{output.Escape(q.QuarantineID), q.QuarantinedAt.UTC().Format(time.RFC3339), output.Escape(q.Reason), output.Escape(q.EventID), output.Count(int64(q.RawBytes)), output.Escape(q.Detail)})
	}
	return a.Print(l)
}

func newShowCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a record in quarantine with its bytes",
		Long:  "Prints what is known of a record in quarantine and its bytes: control characters\nand bytes that are no text are spelled out, as \\x1b. With -o json the bytes are\nbase64, untouched.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.CheckOutput(); err != nil {
				return err
			}
			return show(cmd.Context(), a, args[0])
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

func show(ctx context.Context, a *app.App, id string) error {
	store, err := openReader(ctx, a)
	if err != nil {
		return err
	}
	docs, err := store.find(ctx, []string{id})
	if err != nil {
		return err
	}
	q := docs[0]
	raw, err := store.raw(ctx, q)
	if err != nil {
		return err
	}
	l := output.Listing{Columns: []string{"field", "value"}}
	if a.Output == "json" {
		q.Raw = raw
		return a.PrintJSON(output.Listing{JSON: q})
	}
	fields, err := documentFields(q)
	if err != nil {
		return err
	}
	l.Rows = fields
	if a.Output == "csv" {
		l.Rows = append(l.Rows, []string{"raw", base64.StdEncoding.EncodeToString(raw)})
		return a.Print(l)
	}
	if err := a.Print(l); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Out, "\n%s\n", output.Escape(string(raw)))
	return err
}

// documentFields is a document but for its bytes, in the order of its fields.
func documentFields(q stream.Quarantined) (rows [][]string, err error) {
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
		"quarantine_id", "reason", "detail", "event_id", "raw_bytes", "raw_key", "stream", "shard", "sequence_number",
		"sub_sequence", "arrived_at", "quarantined_at",
	} {
		if v, ok := values[name]; ok {
			rows = append(rows, []string{name, output.Escape(fmt.Sprint(v))})
		}
	}
	return rows, nil
}

// find returns the documents of ids in their order, wherever they are.
func (s *reader) find(ctx context.Context, ids []string) ([]stream.Quarantined, error) {
	found := map[string]stream.Quarantined{}
	err := s.each(ctx, time.Time{}, func(hour []stream.Quarantined) (bool, error) {
		for _, q := range hour {
			if _, known := found[q.QuarantineID]; !known && slices.Contains(ids, q.QuarantineID) {
				found[q.QuarantineID] = q
			}
		}
		return len(found) < len(ids), nil
	})
	if err != nil {
		return nil, err
	}
	var docs []stream.Quarantined
	var errs []error
	for _, id := range ids {
		q, ok := found[id]
		if !ok {
			errs = append(errs, fmt.Errorf("no record %.64q in quarantine (see `recflow quarantine list`): %w", id, recsys.ErrNotFound))
			continue
		}
		docs = append(docs, q)
	}
	return docs, errors.Join(errs...)
}
