package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

// arrival is the time from which the records of a test arrive, one per millisecond.
var arrival = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)

// bundle is a handler on a live version, with its dependencies.
type bundle struct {
	*Handler
	t       testing.TB
	db      *postgrestest.Store
	conn    *pgx.Conn // to inspect the database directly
	version recsys.Version
	data    postgrestest.Data
	faults  *faults
	counts  *harnesstest.Faults // of the faults, of every restart
	out     *firehose
	bucket  *bucket
	next    int // sequence number
}

// setup returns a handler on a new version. Without a fixture no version is
// live.
func setup(t testing.TB, f *postgrestest.Fixture) *bundle {
	t.Helper()
	b := &bundle{t: t, db: postgrestest.New(t)}
	b.conn = postgrestest.Conn(t, b.db)
	if f != nil {
		f.Change = func(d *postgrestest.Data) { b.data = *d }
		b.version = postgrestest.Build(t, b.db, *f)
		b.promote(b.version)
	}
	b.restart()
	return b
}

// How the function searches.
var (
	inMemory   = config.Search{Mode: config.SearchAuto, Memory: 64}
	inPostgres = config.Search{Mode: config.SearchInPostgres, Memory: 64}
)

// restart simulates a new environment: only stored data remains.
func (b *bundle) restart() {
	b.faults = &faults{counts: b.counts}
	if b.out == nil {
		b.out, b.bucket = &firehose{lines: map[string][][]byte{}}, &bucket{objects: map[string][]byte{}}
	}
	b.out.faults, b.bucket.faults = b.faults, b.faults
	f := b.faults
	b.Handler = &Handler{
		Open: func(context.Context) (*stores, error) {
			s := faultyStore{b.db, f}
			return &stores{versions: s, embeddings: s, events: s}, nil
		},
		Firehose:   b.out,
		Payloads:   b.bucket,
		Deliveries: Deliveries{Recommendations: "lists", Events: "events", Quarantine: "quarantine"},
		ListLength: 10, EvaluateShare: 0.5, Search: inMemory,
		Log: slog.New(slog.NewTextHandler(testLog{b.t}, nil)), Metrics: io.Discard, Now: time.Now,
	}
}

// injects counts the faults of the rest of the test, which must inject some of
// each kind.
func (b *bundle) injects(t testing.TB, kinds ...string) {
	b.counts = harnesstest.CountFaults(t, kinds...)
	b.faults.counts = b.counts
}

func (b *bundle) promote(v recsys.Version) {
	b.t.Helper()
	_, err := b.db.Promote(b.t.Context(), versions.Promotion{Version: v.ID, Actor: "test"})
	require.NoError(b.t, err)
}

// deleteEvents deletes everything that the stream wrote to the database.
func (b *bundle) deleteEvents() {
	b.t.Helper()
	_, err := b.conn.Exec(b.t.Context(), "TRUNCATE recflow.live_events, recflow.event_verdicts, recflow.evaluations")
	require.NoError(b.t, err)
}

// send passes events to the handler as one batch and returns its response.
func (b *bundle) send(evs ...recsys.Event) string {
	b.t.Helper()
	return b.handle(b.batch(evs...))
}

// handle calls the handler and returns the sequence number to retry, or "".
func (b *bundle) handle(in lambdaevents.KinesisEvent) string {
	b.t.Helper()
	out, err := b.Handle(b.t.Context(), in)
	require.NoError(b.t, err)
	if len(out.BatchItemFailures) == 0 {
		return ""
	}
	require.Len(b.t, out.BatchItemFailures, 1)
	return out.BatchItemFailures[0].ItemIdentifier
}

// batch makes records of events, with the next sequence numbers.
func (b *bundle) batch(evs ...recsys.Event) lambdaevents.KinesisEvent {
	raw := make([][]byte, len(evs))
	for i, e := range evs {
		raw[i] = stream.EncodeEvent(e)
	}
	return b.raw(raw...)
}

func (b *bundle) raw(data ...[]byte) (in lambdaevents.KinesisEvent) {
	for _, d := range data {
		b.next++
		in.Records = append(in.Records, lambdaevents.KinesisEventRecord{
			EventID: "shardId-000000000003:" + sequence(b.next), EventSourceArn: "arn:aws:kinesis:eu-central-1:1:stream/test",
			Kinesis: lambdaevents.KinesisRecord{
				Data: d, PartitionKey: "p", SequenceNumber: sequence(b.next),
				ApproximateArrivalTimestamp: lambdaevents.SecondsEpochTime{Time: arrival.Add(time.Duration(b.next) * time.Millisecond)},
			},
		})
	}
	return in
}

// sequence returns a sequence number. The number of digits grows during a test,
// so numeric and text order differ.
func sequence(n int) string { return fmt.Sprint(99_999_999_999_999_990 + n) }

// from returns the records that the event source sends again: those from a
// sequence number on.
func from(in lambdaevents.KinesisEvent, sequence string) lambdaevents.KinesisEvent {
	i := slices.IndexFunc(in.Records, func(r lambdaevents.KinesisEventRecord) bool { return r.Kinesis.SequenceNumber == sequence })
	if i < 0 {
		i = 0
	}
	return lambdaevents.KinesisEvent{Records: in.Records[i:]}
}

// click returns an event after the fixture's coverage.
func click(user string, item, n int) recsys.Event {
	return recsys.Event{
		EventID: fmt.Sprintf("e%d-%s-%d", n, user, item), UserID: user, ItemID: fmt.Sprintf("i%06d", item),
		EventType:  []string{recsys.Click, recsys.View, recsys.Purchase, recsys.AddToCart}[n%4],
		OccurredAt: time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute),
	}
}

// list returns the user's current recommendations.
func (b *bundle) list(user string) recommend.List {
	b.t.Helper()
	l, err := (&recommend.Recommender{Versions: b.db.VersionStore, Embeddings: b.db.EmbeddingStore}).Recommend(b.t.Context(), recommend.Request{UserID: user, K: b.ListLength})
	require.NoError(b.t, err)
	return l
}

// verdict returns the verdict of an event, or the zero value.
func (b *bundle) verdict(e recsys.Event) events.Verdict {
	b.t.Helper()
	key := events.VerdictKey{EventID: e.EventID, Digest: e.Digest()}
	out, err := b.db.Verdicts(b.t.Context(), []events.VerdictKey{key})
	require.NoError(b.t, err)
	return out[key]
}

// firehose is a putter that records what it receives.
type firehose struct {
	mu     sync.Mutex
	lines  map[string][][]byte
	faults *faults
	refuse func(stream string, record []byte) bool
	hang   bool
}

func (f *firehose) Put(ctx context.Context, name string, records [][]byte) (failed []int, err error) {
	if f.hang {
		f.faults.inject("delivery stream hangs")
		<-ctx.Done()
		return nil, ctx.Err()
	}
	err = f.faults.around("put "+name, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		for i, r := range records {
			if f.refuse != nil && f.refuse(name, r) {
				f.faults.inject("record refused")
				failed = append(failed, i)
				continue
			}
			f.lines[name] = append(f.lines[name], slices.Clone(r))
		}
		return nil
	})
	return failed, err
}

func decodeLines[T any](t testing.TB, lines [][]byte) []T {
	t.Helper()
	out := make([]T, len(lines))
	for i, l := range lines {
		require.NoError(t, json.Unmarshal(l, &out[i]))
	}
	return out
}

func (b *bundle) lists() []stream.Recommendation {
	return decodeLines[stream.Recommendation](b.t, b.out.lines["lists"])
}

func (b *bundle) delivered() []recsys.Event {
	return decodeLines[recsys.Event](b.t, b.out.lines["events"])
}

func (b *bundle) quarantine() []stream.Quarantined {
	return decodeLines[stream.Quarantined](b.t, b.out.lines["quarantine"])
}

// last returns the last list delivered for each user.
func (b *bundle) last() map[string]stream.Recommendation {
	out := map[string]stream.Recommendation{}
	for _, l := range b.lists() {
		out[l.UserID] = l
	}
	return out
}

type bucket struct {
	objects map[string][]byte
	faults  *faults
}

func (s *bucket) Put(_ context.Context, key string, body io.ReadSeeker) error {
	return s.faults.around("put payload", func() (err error) {
		s.objects[key], err = io.ReadAll(body)
		return err
	})
}

// testLog writes log lines to the test's output.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

// opener returns a function that returns stores that are already open.
func opener(s allStores) func(context.Context) (*stores, error) {
	return func(context.Context) (*stores, error) { return &stores{versions: s, embeddings: s, events: s}, nil }
}
