package events

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/sources"
	"github.com/recflow/recflow/internal/cli/streamio"
	"github.com/recflow/recflow/internal/importer"
	"github.com/recflow/recflow/internal/stream"
)

const eventsSendLong = `Send the events of a file to the stream, in the order of the file for each
user. FILE is a file of JSON lines, CSV or Parquet (plain, gzip or zstd), or -
for standard input, which is copied to a temporary file first.

Columns, or the keys of JSON objects, are recognized by name, as in
` + "`recflow import`" + `. In recflow's own format an event is

  {"user_id": "u1", "item_id": "i1", "event_type": "click",
   "occurred_at": "2026-11-25T10:00:00Z"}

and optionally event_id, value, session_id and recommendation_id.

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
after the last one was sent, or was quarantined. It also waits up to --timeout until
the quarantine lists the events that were quarantined.`

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
	if f.raw {
		return file.Lines(ctx, func(_, line int64, text []byte) error {
			return s.add(ctx, rawOutgoing(line, text))
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
		keys:   []apiclient.EventKey{keyOf(d.Event.EventID, d.Digest)},
		record: awsclient.StreamRecord{PartitionKey: d.Event.UserID, Data: data},
	})
}

// rawOutgoing returns a record for any line, which may hold several events.
func rawOutgoing(line int64, text []byte) outgoing {
	data := append([]byte(nil), text...)
	o := outgoing{place: fmt.Sprintf("line %d", line)}
	for _, d := range streamio.DecodeAll(data) {
		key := keyOf(d.EventID, d.Digest)
		o.keys = append(o.keys, key)
		if d.Fault != nil {
			o.faults = append(o.faults, d.Fault.Reason)
		} else {
			o.faults = append(o.faults, "")
		}
	}
	o.record = awsclient.StreamRecord{PartitionKey: streamio.PartitionKey(data, o.keys[0].Digest), Data: data}
	return o
}
