package events

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/sources"
	"github.com/recflow/recflow/internal/cli/streamio"
	"github.com/recflow/recflow/internal/importer"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

const eventsSendLong = `Send the events of a file to the stream, in the order of the file for each
user. FILE is a file of JSON lines, CSV or Parquet (plain, gzip or zstd), or -
for standard input, which is copied to a temporary file first.

A line of JSON is an event:

  {"user_id": "u1", "item_id": "i1", "event_type": "click",
   "occurred_at": "2026-11-25T10:00:00Z"}

and optionally event_id, value, session_id and recommendation_id. In the other
formats columns are recognized by name, as in ` + "`recflow import`" + `.

Missing values are set so that sending the same file twice has no effect: the
event id is derived from the file's SHA-256 and the row, the type is click (or
rating, if there is a rating column), and the time is that of the file's first
import or sending, which is stored in the bucket under raw/imports/. An import of
the file gives the same events.

Every event is checked as the stream checks it. Rows that it would reject are
named and not sent; the others are sent, and the exit code is 1. With --raw each
line is sent as it is, without a check.

With --wait the command waits until each event has its verdict, and prints the
time from sending to verdict. It exits with 1 if an event has no verdict --timeout
after the last one was sent, or was quarantined.`

// sendFlags are the flags of the send command.
type sendFlags struct {
	options importer.Options
	rate    float64
	raw     bool
	waitFlags
}

func newSendCommand(a *app.App) *cobra.Command {
	var f sendFlags
	cmd := &cobra.Command{
		Use:   "send FILE|-",
		Short: "Send the events of a file to the stream",
		Long:  eventsSendLong,
		Example: "  recflow events send clicks.jsonl --wait\n" +
			"  recflow events send log.csv.gz --user-column visitor --event-type view --rate 200\n" +
			"  echo '{\"user_id\":\"u1\",\"item_id\":\"i1\"}' | recflow events send - --wait",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.options.Check(); err != nil {
				return app.UsageError(err)
			}
			if err := checkRate(f.rate, cmd.Flags().Changed("rate")); err != nil {
				return err
			}
			return sendFile(cmd.Context(), a, args[0], f)
		},
	}
	flags := cmd.Flags()
	sources.AddColumnFlags(flags, &f.options, eventFormats)
	flags.Float64Var(&f.rate, "rate", 0, "events per second (default: as fast as the stream accepts them)")
	flags.BoolVar(&f.raw, "raw", false, "send every line as it is, without a check")
	f.register(flags)
	a.AddOutputFlag(cmd)
	return cmd
}

func sendFile(ctx context.Context, a *app.App, path string, f sendFlags) error {
	store, o, err := readingOptions(ctx, a, f.options)
	if err != nil {
		return err
	}
	file, err := importer.OpenEvents(ctx, store, path, o)
	if err != nil {
		return err
	}
	defer file.Close()
	return sending(ctx, a, f.waitFlags, func(ctx context.Context, s *sender) error {
		if f.rate > 0 {
			s.pace = steadily(f.rate)
		}
		return readOutgoing(ctx, file, f, s)
	})
}

// readOutgoing adds the events of a file to s, in the file's order.
func readOutgoing(ctx context.Context, file *importer.EventFile, f sendFlags, s *sender) error {
	lines, err := file.JSONLines()
	switch {
	case err != nil:
		return err
	case f.raw:
		return file.Lines(ctx, func(_, line int64, text []byte) error {
			return s.add(ctx, rawOutgoing(line, text))
		}, s.refuse)
	case lines:
		return file.Lines(ctx, func(row, line int64, text []byte) error {
			full, err := complete(ctx, file, row, text, f.options.EventType)
			if err != nil {
				return err
			}
			return addChecked(ctx, s, importer.Reject{File: file.Name(), Line: line, Row: row}, full)
		}, s.refuse)
	}
	return file.Events(ctx, func(e importer.Found) error {
		return addChecked(ctx, s, importer.Reject{File: file.Name(), Line: e.Line, Row: e.Row}, stream.EncodeEvent(e.Event))
	}, s.refuse)
}

// addChecked adds an event to s if the stream would accept it.
func addChecked(ctx context.Context, s *sender, at importer.Reject, data []byte) error {
	d := streamio.Decode(data)
	if d.Fault != nil {
		at.Reason = d.Fault.Reason + ": " + d.Fault.Detail
		return s.refuse(at)
	}
	return s.add(ctx, outgoing{
		place:  at.Place(),
		key:    keyOf(d.Event.EventID, d.Digest),
		record: awsclient.StreamRecord{PartitionKey: d.Event.UserID, Data: data},
	})
}

// rawOutgoing returns a record for any line.
func rawOutgoing(line int64, text []byte) outgoing {
	data := append([]byte(nil), text...)
	d := streamio.Decode(data)
	key := keyOf(d.EventID, d.Digest)
	o := outgoing{
		place:  fmt.Sprintf("line %d", line),
		key:    key,
		record: awsclient.StreamRecord{PartitionKey: streamio.PartitionKey(data, key.Digest), Data: data},
	}
	if d.Fault != nil {
		o.fault = d.Fault.Reason
	}
	return o
}

// complete adds the missing fields of a line of JSON. The other bytes stay as
// they are; a line that is not an object is returned unchanged, and the check
// reports it.
func complete(ctx context.Context, file *importer.EventFile, row int64, text []byte, eventType string) ([]byte, error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil || fields == nil {
		return append([]byte(nil), text...), nil
	}
	absent := func(name string) bool { v, there := fields[name]; return !there || string(v) == "null" }
	added := map[string]any{}
	if absent("event_id") {
		added["event_id"] = file.EventID(row)
	}
	if absent("event_type") {
		added["event_type"] = recsys.Click
		if eventType != "" {
			added["event_type"] = eventType
		}
	}
	if absent("occurred_at") {
		at, err := file.FirstTime(ctx)
		if err != nil {
			return nil, err
		}
		added["occurred_at"] = at
	}
	return withFields(text, fields, added)
}

// withFields adds fields to a JSON object; present are its existing fields.
func withFields(text []byte, fields map[string]json.RawMessage, added map[string]any) ([]byte, error) {
	if len(added) == 0 {
		return append([]byte(nil), text...), nil
	}
	replaces := false
	for name, value := range added {
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		_, there := fields[name]
		replaces = replaces || there
		fields[name], added[name] = raw, json.RawMessage(raw)
	}
	if replaces { // a null, which must not occur together with the value
		return json.Marshal(fields)
	}
	head, err := json.Marshal(added)
	if err != nil {
		return nil, err
	}
	rest := trimObject(text)
	if len(rest) == 1 { // {} had no fields
		return head, nil
	}
	return append(append(head[:len(head)-1], ','), rest...), nil
}

// trimObject returns a valid JSON object from its first field on.
func trimObject(text []byte) []byte {
	return bytes.TrimLeft(bytes.TrimLeft(text, " \t\r\n")[1:], " \t\r\n")
}
