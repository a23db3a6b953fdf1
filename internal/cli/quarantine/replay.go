package quarantine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/cli/sources"
	"github.com/recflow/recflow/internal/cli/streamio"
	"github.com/recflow/recflow/internal/stream"
)

const quarantineReplayLong = `Puts records from quarantine on the stream again: those named, those with a
reason, or all. They keep their bytes, and stand behind everything else of
their user. With --with FILE the one record named is sent with the bytes of
that file in place of its own, once they are right.

The stream judges them anew. The column "now" says what it will make of them:
usable, or why they will come back to quarantine. A conflict comes back
whatever happens: the event that was there first stays. To have both, give the
second another event_id (--with). What is in quarantine stays in the list.`

// replayFlags are the flags of the replay command as they were given.
type replayFlags struct {
	chosen
	all    bool
	dryRun bool
	with   string
}

func newReplayCommand(a *app.App) *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay ID…",
		Short: "Send records from quarantine again",
		Long:  quarantineReplayLong,
		Example: "  recflow quarantine replay 3f6c0b9a0d7e4c51 --with corrected.json\n" +
			"  recflow quarantine replay --reason bad_time --since 2h --dry-run",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return app.UsageError(err)
			}
			if err := a.CheckOutput(); err != nil {
				return err
			}
			return replay(cmd.Context(), a, args, f)
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&f.since, "since", 24*time.Hour, "with --reason or --all: records of this long")
	flags.StringVar(&f.reason, "reason", "", "all records with this reason")
	flags.BoolVar(&f.all, "all", false, "all records")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would be sent, and send nothing")
	flags.StringVar(&f.with, "with", "", "file whose bytes are sent in place of the record's; - for stdin")
	a.AddOutputFlag(cmd)
	return cmd
}

func (f replayFlags) check(args []string) error {
	ways := 0
	for _, given := range []bool{len(args) > 0, f.reason != "", f.all} {
		if given {
			ways++
		}
	}
	switch {
	case ways != 1:
		return errors.New("name records, or give either --reason or --all")
	case f.with != "" && len(args) != 1:
		return errors.New("--with is for one record; name it")
	case f.since <= 0:
		return fmt.Errorf("--since is %s; use more than 0", f.since)
	}
	return nil
}

// replayed is one record to send again.
type replayed struct {
	QuarantineID string `json:"quarantine_id"`
	Reason       string `json:"reason"` // why it went to quarantine
	PartitionKey string `json:"partition_key"`
	Bytes        int    `json:"bytes"`
	Now          string `json:"now"` // usable, or the reason for which it will come back
	Sent         bool   `json:"sent"`

	record awsclient.StreamRecord
}

// usable is what a replayed record is that the stream takes.
const usable = "usable"

func replay(ctx context.Context, a *app.App, ids []string, f replayFlags) error {
	store, err := openReader(ctx, a)
	if err != nil {
		return err
	}
	var docs []stream.Quarantined
	if len(ids) > 0 {
		slices.Sort(ids)
		docs, err = store.find(ctx, slices.Compact(ids))
		// The newest first, as the others are.
		slices.SortStableFunc(docs, func(a, b stream.Quarantined) int { return b.ArrivedAt.Compare(a.ArrivedAt) })
	} else {
		docs, err = store.newest(ctx, f.chosen)
	}
	if err != nil {
		return err
	}
	if len(docs) == 0 {
		return errors.New("nothing in quarantine is meant by that; see `recflow quarantine list`")
	}
	again, err := prepareReplay(ctx, a, store, docs, f.with)
	if err != nil {
		return err
	}
	if !f.dryRun {
		err = putAgain(ctx, a, again)
	}
	warnReplay(a, again, f.dryRun)
	l := output.Listing{Columns: []string{"quarantine_id", "reason", "partition_key", "bytes", "now", "sent"}, JSON: again}
	for _, r := range again {
		l.Rows = append(l.Rows, []string{output.Escape(r.QuarantineID), output.Escape(r.Reason), output.Escape(r.PartitionKey), output.Count(int64(r.Bytes)), r.Now, output.YesNo(r.Sent)})
	}
	return errors.Join(a.Print(l), err)
}

// prepareReplay makes the records to send, oldest first, as they were sent.
func prepareReplay(ctx context.Context, a *app.App, store *reader, docs []stream.Quarantined, with string) ([]replayed, error) {
	out := make([]replayed, len(docs))
	for i, q := range docs {
		raw, err := store.raw(ctx, q)
		if err != nil {
			return nil, err
		}
		reason := q.Reason
		if with != "" {
			if raw, err = corrected(a, with); err != nil {
				return nil, err
			}
			if streamio.Decode(raw).EventID != q.EventID {
				reason = ""
			}
		}
		key := streamio.PartitionKey(raw, q.QuarantineID)
		out[len(docs)-1-i] = replayed{
			QuarantineID: q.QuarantineID, Reason: q.Reason, PartitionKey: key, Bytes: len(raw), Now: judged(raw, reason),
			record: awsclient.StreamRecord{PartitionKey: key, Data: raw},
		}
	}
	return out, nil
}

// corrected reads the bytes that are sent in place of a record's, and insists
// that the stream can use them.
func corrected(a *app.App, name string) ([]byte, error) {
	data, err := readAll(a, name, awsclient.MaxStreamRecord)
	if err != nil {
		return nil, err
	}
	data = bytes.TrimRight(data, "\r\n")
	if fault := streamio.Decode(data).Fault; fault != nil {
		return nil, fmt.Errorf("%s is still no event: %s: %s", name, fault.Reason, fault.Detail)
	}
	return data, nil
}

// judged is what the stream will make of the bytes that went to quarantine for a
// reason: usable, or the reason for which they come back.
func judged(raw []byte, reason string) string {
	for _, d := range stream.Decode(stream.Record{Data: raw, ArrivedAt: time.Now()}) {
		if d.Fault != nil {
			return d.Fault.Reason
		}
	}
	if reason == stream.Conflict {
		return stream.Conflict
	}
	return usable
}

// putAgain puts every record that fits into the stream, and says which do not.
func putAgain(ctx context.Context, a *app.App, again []replayed) error {
	kinesis, err := a.OpenStream(ctx)
	if err != nil {
		return err
	}
	var records []awsclient.StreamRecord
	var of []int
	var errs []error
	for i, r := range again {
		if len(r.PartitionKey)+r.Bytes > awsclient.MaxStreamRecord {
			errs = append(errs, fmt.Errorf("%s: %w with its partition key", r.QuarantineID, awsclient.ErrTooLarge))
			continue
		}
		records, of = append(records, r.record), append(of, i)
	}
	ctx, cancel := context.WithTimeout(ctx, streamio.PutTimeout)
	defer cancel()
	results, err := kinesis.Put(ctx, records)
	for n, r := range results {
		again[of[n]].Sent = r.Err == nil
	}
	return errors.Join(append(errs, err)...)
}

// warnReplay says what will come back.
func warnReplay(a *app.App, again []replayed, dryRun bool) {
	conflicts, faulty := 0, 0
	for _, r := range again {
		switch r.Now {
		case usable:
		case stream.Conflict:
			conflicts++
		default:
			faulty++
		}
	}
	will := "will come"
	if dryRun {
		will = "would come"
	}
	if conflicts > 0 {
		fmt.Fprintf(a.Err, "%d in conflict %s back: the event with that id which was there first stays\n", conflicts, will)
	}
	if faulty > 0 {
		fmt.Fprintf(a.Err, "%d cannot be used as they are and %s back; correct them one by one (--with)\n", faulty, will)
	}
	if dryRun {
		fmt.Fprintln(a.Err, "dry run: nothing was sent")
	}
}

// readAll reads a file of at most limit bytes; - is standard input.
func readAll(a *app.App, name string, limit int64) ([]byte, error) {
	in, err := sources.OpenInput(a, name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s: %w: at most %d bytes", name, awsclient.ErrTooLarge, limit)
	}
	return data, err
}
