package events

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/cli/sources"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/importer"
	"github.com/recflow/recflow/internal/importer/datasets"
	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

const eventsGenerateLong = `Play back the events of a data set after the import as a stream. The events
are the data set's own, with their own ids and times: the same that
` + "`recflow import`" + ` without --until would import.

SOURCE is a file or a folder, as for import; by default it is completejourney.
Events from --from on are sent, oldest first. The default of --from is the
--until of the file's import, and for completejourney that of the demo.

The intervals between events are the original ones, divided by --speed: at 3600,
the default, an hour takes a second. With --rate they are sent evenly instead.
With --out they are not sent but written to a file of JSON lines, for
` + "`recflow events send`" + `.

The events to send are sorted in memory; --limit limits their number.`

// generateFlags are the flags of the generate command.
type generateFlags struct {
	options importer.Options
	from    string
	speed   float64
	rate    float64
	limit   int
	out     string
	waitFlags
}

func newGenerateCommand(a *app.App) *cobra.Command {
	var f generateFlags
	cmd := &cobra.Command{
		Use:   "generate [SOURCE]",
		Short: "Play back the events after an import as a stream",
		Long:  eventsGenerateLong,
		Example: "  recflow events generate --limit 1000 --rate 100 --wait\n" +
			"  recflow events generate ratings.csv --from 2018-01-01 --speed 86400\n" +
			"  recflow events generate --limit 10000 --out december.jsonl",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			source := datasets.CompleteJourney
			if len(args) > 0 {
				source = args[0]
			}
			if err := errors.Join(f.check(), checkRate(f.rate, cmd.Flags().Changed("rate")), sources.CheckNamed([]string{source}, f.options)); err != nil {
				return app.UsageError(err)
			}
			return generate(cmd.Context(), a, source, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "events from this time on (a date means its beginning, UTC; default: where the import ended)")
	flags.Float64Var(&f.speed, "speed", 3600, "speed, as a multiple of the original")
	flags.Float64Var(&f.rate, "rate", 0, "events per second, at even intervals")
	flags.IntVar(&f.limit, "limit", 0, "maximum number of events (default all)")
	flags.StringVar(&f.out, "out", "", "write JSON lines to this file instead of sending; - for stdout")
	sources.AddColumnFlags(flags, &f.options, eventFormats)
	f.register(flags)
	cmd.MarkFlagsMutuallyExclusive("speed", "rate")
	cmd.MarkFlagsMutuallyExclusive("out", "wait")
	a.AddOutputFlag(cmd)
	return cmd
}

func (f generateFlags) check() error {
	if !(f.speed > 0) {
		return fmt.Errorf("--speed is %g; use more than 0", f.speed)
	}
	if f.limit < 0 {
		return fmt.Errorf("--limit is %d; use 1 or more", f.limit)
	}
	if f.from != "" {
		if _, err := tabular.ParseTime(f.from); err != nil {
			return fmt.Errorf("--from %w", err)
		}
	}
	return f.options.Check()
}

func generate(ctx context.Context, a *app.App, source string, f generateFlags) error {
	events, err := readLater(ctx, a, source, f)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return errors.New("the data set has no events from that time on; see --from")
	}
	if f.out != "" {
		return writeEvents(a, f.out, events)
	}
	return sending(ctx, a, f.waitFlags, func(ctx context.Context, s *sender) error {
		s.pace = follow(events[0].OccurredAt, f.speed)
		if f.rate > 0 {
			s.pace = steadily(f.rate)
		}
		for _, e := range events {
			err := s.add(ctx, outgoing{
				place:  "event " + e.EventID,
				at:     e.OccurredAt,
				keys:   []apiclient.EventKey{keyOf(e.EventID, e.Digest())},
				record: awsclient.StreamRecord{PartitionKey: e.UserID, Data: stream.EncodeEvent(e)},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// follow sends events with their own intervals.
func follow(first time.Time, speed float64) pace {
	return func(_ int64, o outgoing) time.Duration {
		return time.Duration(float64(o.at.Sub(first)) / speed)
	}
}

// readLater reads the events of a source from --from on, oldest first.
func readLater(ctx context.Context, a *app.App, source string, f generateFlags) ([]recsys.Event, error) {
	store, o, err := readingOptions(ctx, a, f.options)
	if err != nil {
		return nil, err
	}
	files, err := openSource(ctx, a, store, source, o)
	for _, file := range files {
		defer file.Close()
	}
	if err != nil {
		return nil, err
	}
	task := a.Progress().Start("read", source)
	earliest := earliestEvents{limit: f.limit}
	refused := 0
	for _, file := range files {
		from, err := fromOf(ctx, a, source, file, f.from)
		if err != nil {
			task.Fail()
			return nil, err
		}
		err = file.Events(ctx, func(e importer.Found) error {
			if !e.OccurredAt.Before(from) {
				earliest.add(e.Event)
			}
			return nil
		}, func(importer.Reject) error { refused++; return nil })
		if err != nil {
			task.Fail()
			return nil, err
		}
	}
	events := earliest.sorted()
	text := ""
	if refused > 0 {
		text = fmt.Sprintf("; %s rows are not events (see `recflow import --dry-run`)", output.Thousands(int64(refused)))
	}
	task.Done("%s events%s", output.Thousands(int64(len(events))), text)
	return events, nil
}

func openSource(ctx context.Context, a *app.App, store importer.Store, source string, o importer.Options) ([]*importer.EventFile, error) {
	if source != datasets.CompleteJourney {
		return importer.OpenEventFiles(ctx, store, source, o)
	}
	local, err := config.ReadLocal()
	if err != nil {
		return nil, err
	}
	folder, err := sources.FetchCompleteJourney(ctx, a, local)
	if err != nil {
		return nil, err
	}
	file, err := importer.OpenCompleteJourneyEvents(ctx, store, folder, o)
	if err != nil {
		return nil, err
	}
	return []*importer.EventFile{file}, nil
}

// fromOf returns the time of the first event to send: the given one, else where
// the import of the file ended.
func fromOf(ctx context.Context, a *app.App, source string, file *importer.EventFile, given string) (time.Time, error) {
	if given != "" {
		return tabular.ParseTime(given)
	}
	record, err := file.Imported(ctx)
	switch {
	case err == nil && record.Until != nil:
		return *record.Until, nil
	case source == datasets.CompleteJourney && (err != nil || !record.Complete):
		return tabular.ParseTime(sources.DemoUntil)
	case err == nil && record.Complete:
		return time.Time{}, fmt.Errorf("%s was imported completely; set the start with --from to send it again", file.Name())
	case err == nil || errors.Is(err, recsys.ErrNotFound):
		return time.Time{}, fmt.Errorf("%s has not been imported; set the start with --from", file.Name())
	}
	return time.Time{}, err
}

// writeEvents writes events as JSON lines.
func writeEvents(a *app.App, name string, events []recsys.Event) (err error) {
	out := a.Out
	if name != "-" {
		file, e := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // it contains users' data
		if e != nil {
			return e
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		out = file
	}
	w := bufio.NewWriter(out)
	for _, e := range events {
		if _, err := w.Write(append(stream.EncodeEvent(e), '\n')); err != nil {
			return err
		}
	}
	return w.Flush()
}

// earliestEvents keeps the earliest events, at most limit of them (0: all), in
// a buffer of twice that size.
type earliestEvents struct {
	limit  int
	events []recsys.Event
}

func (k *earliestEvents) add(e recsys.Event) {
	k.events = append(k.events, e)
	if k.limit > 0 && len(k.events) >= 2*k.limit+1024 {
		k.events = k.sorted()
	}
}

// sorted returns the kept events, in chronological order.
func (k *earliestEvents) sorted() []recsys.Event {
	slices.SortFunc(k.events, func(a, b recsys.Event) int {
		return cmp.Or(a.OccurredAt.Compare(b.OccurredAt), cmp.Compare(a.EventID, b.EventID))
	})
	if k.limit > 0 && len(k.events) > k.limit {
		clear(k.events[k.limit:])
		k.events = k.events[:k.limit]
	}
	return k.events
}
