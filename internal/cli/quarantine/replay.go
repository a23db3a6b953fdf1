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

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/cli/sources"
	"github.com/recflow/recflow/internal/cli/streamio"
	"github.com/recflow/recflow/internal/stream"
)

const quarantineReplayLong = `Put quarantined records on the stream again: the named ones, those with a
reason, or all. They keep their bytes, and are processed after all other events
of their user. With --with FILE the named record is sent with the content of
that file instead, if it is valid.

The column "now" predicts the result: usable, or the reason for which a record
will be quarantined again. A conflict is always quarantined again: the event
that was stored first is kept. To have both, give the second another event_id
(--with). Replayed records stay in the list.`

// replayFlags are the flags of the replay command.
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
		Short: "Send quarantined records again",
		Long:  quarantineReplayLong,
		Example: "  recflow quarantine replay 3f6c0b9a0d7e4c51 --with corrected.json\n" +
			"  recflow quarantine replay --reason bad_time --since 2h --dry-run",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return app.UsageError(err)
			}
			return replay(cmd.Context(), a, args, f)
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&f.since, "since", 24*time.Hour, "with --reason or --all: records quarantined within this time")
	flags.StringVar(&f.reason, "reason", "", "all records with this reason")
	flags.BoolVar(&f.all, "all", false, "all records")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print what would be sent, and send nothing")
	flags.StringVar(&f.with, "with", "", "file that is sent instead of the record's payload; - for stdin")
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
		return errors.New("name records, or pass either --reason or --all")
	case f.with != "" && len(args) != 1:
		return errors.New("--with requires exactly one record id")
	case f.since <= 0:
		return fmt.Errorf("--since is %s; use more than 0", f.since)
	}
	return nil
}

// replayed is a record to send again.
type replayed struct {
	QuarantineID string `json:"quarantine_id"`
	Reason       string `json:"reason"` // why it was quarantined
	PartitionKey string `json:"partition_key"`
	Bytes        int    `json:"bytes"`
	Now          string `json:"now"` // usable, or the reason for which it will be quarantined again
	Sent         bool   `json:"sent"`
}

// usable is the state of a replayed record that the stream will accept.
const usable = "usable"

// A batch is put when it reaches one of these limits.
const (
	putRecords = 500
	putBytes   = 4 << 20
)

// replayer sends records again, in order. It has the payloads of one batch in
// memory.
type replayer struct {
	api  *apiclient.Client
	put  func(context.Context, []awsclient.StreamRecord) ([]awsclient.PutResult, error) // nil: nothing is sent
	with []byte                                                                         // replaces the record's payload; nil: the original

	batch   []awsclient.StreamRecord
	rows    []int // indexes of the batch's records
	bytes   int   // size of the batch
	records []replayed
	errs    []error // errors of single records
}

func replay(ctx context.Context, a *app.App, ids []string, f replayFlags) error {
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	r := &replayer{api: api, records: []replayed{}}
	if f.with != "" {
		if r.with, err = corrected(a, f.with); err != nil {
			return err
		}
	}
	if !f.dryRun {
		kinesis, err := a.OpenStream(ctx)
		if err != nil {
			return err
		}
		r.put = kinesis.Put
	}
	if len(ids) > 0 {
		err = r.named(ctx, ids)
	} else {
		err = r.matching(ctx, newPages(a, api, f.since), f.reason)
	}
	if err == nil {
		err = r.flush(ctx)
	}
	err = errors.Join(append(r.errs, err)...)
	if len(r.records) == 0 {
		if err == nil {
			err = errors.New("no matching quarantined records; see `recflow quarantine list`")
		}
		return err
	}
	warnRequarantined(a, r.records, f.dryRun)
	l := output.Listing{Columns: []string{"quarantine_id", "reason", "partition_key", "bytes", "now", "sent"}, JSON: r.records}
	for _, r := range r.records {
		l.Rows = append(l.Rows, []string{output.Escape(r.QuarantineID), output.Escape(r.Reason), output.Escape(r.PartitionKey), output.Count(int64(r.Bytes)), r.Now, output.YesNo(r.Sent)})
	}
	return errors.Join(a.Print(l), err)
}

// named sends the records of ids again, or nothing if one does not exist.
func (r *replayer) named(ctx context.Context, ids []string) error {
	slices.Sort(ids)
	var found []apiclient.QuarantineRecord
	var errs []error
	for _, id := range slices.Compact(ids) {
		q, err := r.read(ctx, "", id)
		if err != nil && app.ExitCode(err) != app.ExitNotFound {
			return err
		}
		q.Raw = nil // read again when it is sent
		found, errs = append(found, q), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	slices.SortStableFunc(found, func(a, b apiclient.QuarantineRecord) int { return a.ArrivedAt.Compare(b.ArrivedAt) })
	for _, q := range found {
		if err := r.add(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// matching sends the records with a reason again, or all of them.
func (r *replayer) matching(ctx context.Context, p *pages, reason string) error {
	for _, day := range p.days() {
		q := apiclient.QuarantineQuery{Day: day, Reason: reason, Oldest: true, Limit: largestPage}
		err := p.each(ctx, q, func(found apiclient.QuarantineRecord) (bool, error) { return true, r.add(ctx, found) })
		if err != nil {
			return err
		}
	}
	return nil
}

// add adds a record to the batch, and sends the batch if it is full. A record
// that cannot be sent does not affect the others.
func (r *replayer) add(ctx context.Context, q apiclient.QuarantineRecord) error {
	raw, reason := r.with, q.Reason
	if raw == nil {
		full, err := r.read(ctx, q.Object, q.QuarantineID)
		if app.ExitCode(err) == app.ExitNotFound {
			r.errs = append(r.errs, err)
			return nil
		}
		if err != nil {
			return err
		}
		raw = full.Raw
	} else if streamio.Decode(raw).EventID != q.EventID {
		reason = "" // another event
	}
	key := streamio.PartitionKey(raw, q.QuarantineID)
	r.records = append(r.records, replayed{
		QuarantineID: q.QuarantineID, Reason: q.Reason, PartitionKey: key, Bytes: len(raw), Now: predict(raw, reason),
	})
	if r.put == nil {
		return nil
	}
	if len(key)+len(raw) > awsclient.MaxStreamRecord {
		r.errs = append(r.errs, fmt.Errorf("%s: %w with its partition key", q.QuarantineID, awsclient.ErrTooLarge))
		return nil
	}
	r.batch, r.rows, r.bytes = append(r.batch, awsclient.StreamRecord{PartitionKey: key, Data: raw}), append(r.rows, len(r.records)-1), r.bytes+len(raw)
	if len(r.batch) < putRecords && r.bytes < putBytes {
		return nil
	}
	return r.flush(ctx)
}

// read reads a record with its payload.
func (r *replayer) read(ctx context.Context, object, id string) (apiclient.QuarantineRecord, error) {
	q, err := app.Unthrottled(ctx, func() (apiclient.QuarantineRecord, error) { return r.api.QuarantineRecord(ctx, object, id) })
	if err != nil {
		err = explain(err, id)
	}
	return q, err
}

// flush sends the batch.
func (r *replayer) flush(ctx context.Context) error {
	if len(r.batch) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, streamio.PutTimeout)
	defer cancel()
	results, err := r.put(ctx, r.batch)
	for i, result := range results {
		r.records[r.rows[i]].Sent = result.Err == nil
	}
	r.batch, r.rows, r.bytes = nil, nil, 0
	return err
}

// corrected reads the replacement payload, and requires that it is valid.
func corrected(a *app.App, name string) ([]byte, error) {
	data, err := readAll(a, name, awsclient.MaxStreamRecord)
	if err != nil {
		return nil, err
	}
	data = bytes.TrimRight(data, "\r\n")
	if fault := streamio.Decode(data).Fault; fault != nil {
		return nil, fmt.Errorf("%s is not a valid event: %s: %s", name, fault.Reason, fault.Detail)
	}
	return data, nil
}

// predict predicts the result of a payload that was quarantined for a reason:
// usable, or the reason for which it will be quarantined again.
func predict(raw []byte, reason string) string {
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

// warnRequarantined warns about records that will be quarantined again.
func warnRequarantined(a *app.App, records []replayed, dryRun bool) {
	conflicts, faulty := 0, 0
	for _, r := range records {
		switch r.Now {
		case usable:
		case stream.Conflict:
			conflicts++
		default:
			faulty++
		}
	}
	will := "will be"
	if dryRun {
		will = "would be"
	}
	if conflicts > 0 {
		fmt.Fprintf(a.Err, "%d in conflict %s quarantined again: the event with that id that was stored first is kept\n", conflicts, will)
	}
	if faulty > 0 {
		fmt.Fprintf(a.Err, "%d are invalid and %s quarantined again; correct them one by one (--with)\n", faulty, will)
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
