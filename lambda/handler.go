package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/panics"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// stores is the access of the handler to the database.
type stores struct {
	versions   versionStore
	embeddings recommend.Data
	events     eventStore
}

type versionStore interface {
	Live(ctx context.Context) (recsys.Live, error)
	Version(ctx context.Context, id int64) (recsys.Version, error)
	ReportReader(ctx context.Context, r versions.Reader) error
}

type eventStore interface {
	StoreEvents(ctx context.Context, events []events.StreamEvent) (events.StoredBatch, error)
	WriteVerdicts(ctx context.Context, verdicts []events.Verdict, evaluations []events.Evaluation) error
}

// putter delivers records and returns the indexes of those that were not
// delivered.
type putter interface {
	Put(ctx context.Context, stream string, records [][]byte) (failed []int, err error)
}

// payloads stores bytes that do not fit into a delivery record.
type payloads interface {
	Put(ctx context.Context, key string, body io.ReadSeeker) error
}

// Handler turns batches of events into recommendations. It handles one batch at
// a time: a Lambda environment gets no concurrent invocations.
type Handler struct {
	Open       func(context.Context) (*stores, error) // called until it succeeds
	Firehose   putter
	Payloads   payloads
	Deliveries Deliveries

	ListLength    int     // items per list
	EvaluateShare float64 // share of the events on which lists are evaluated, 0 to 1
	Search        config.Search
	Function      string // function name, a dimension of the metrics
	Log           *slog.Logger
	Metrics       io.Writer // gets one line of metrics per batch
	Now           func() time.Time

	// State that is reused by the next batch.
	stores     *stores
	memory     *recommend.Memory // of the items; nil until the first load, and while Postgres is searched
	reader     *recommend.Reader // of the version that was live in the last batch
	revision   int64             // of the live pointer then
	configHash string            // of the reader's lists
	loadAfter  time.Time         // earliest time of the next attempt to load the reader's items
	as         versions.Reader   // the last report
	reportAt   time.Time         // time of the next one
}

// Deliveries names the delivery streams.
type Deliveries struct{ Recommendations, Events, Quarantine string }

// errPanic is the error of a batch that panicked. Lambda records it, so it has nothing
// of the batch.
var errPanic = errors.New("panic while handling a batch, see the log")

// Handle is the Lambda handler. Its response names the lowest sequence number
// to retry, or none when every record is done or quarantined. It returns an error
// after a panic only: the mapping then splits the batch until the records that cause
// it are alone, while a response would retry them with all records after them.
func (h *Handler) Handle(ctx context.Context, in lambdaevents.KinesisEvent) (out lambdaevents.KinesisEventResponse, err error) {
	defer func() {
		if p := recover(); p != nil {
			h.report("handle a batch", panics.New(p))
			h.reader = nil // may be incomplete
			err = errPanic
		}
	}()
	b := h.process(ctx, in)
	h.writeMetrics(b)
	return b.response(), nil
}

// process runs the four steps of a batch: decode, store, compute, write. A
// record is retried unless everything in it is done, so a failing step has
// nothing to mark.
func (h *Handler) process(ctx context.Context, in lambdaevents.KinesisEvent) *batch {
	computeCtx, putCtx, answerCtx, cancel := deadlines(ctx)
	defer cancel()

	b := h.decode(in)

	previous := h.reader
	reader, err := h.accept(computeCtx, b)
	if err != nil {
		h.report("accept the events", err)
		return b
	}

	h.deliverEvents(computeCtx, b)
	defer b.delivering.Wait() // also if computing panics

	if reader != nil {
		if err := h.requireItems(computeCtx, b); err != nil {
			h.report("load the items", err)
		} else if err := h.compute(computeCtx, reader, b); err != nil {
			h.report("compute the lists", err) // lists computed so far are delivered
		}
	}

	b.delivering.Wait()
	h.write(putCtx, answerCtx, b)

	if previous != nil && previous == h.reader {
		h.afterDelivery(answerCtx, b)
	}
	return b
}

// afterDelivery does one of the things that no list waits for, so that the round trips
// of a batch stay few: it loads the live version, or the one that is about to be
// promoted, or reports.
func (h *Handler) afterDelivery(ctx context.Context, b *batch) {
	before := h.memory.Status()
	if h.loadItems(ctx, b); h.memory.Status() != before {
		return
	}
	if h.memory != nil && b.candidate != h.as.Prepared {
		h.prepare(ctx, b)
		return
	}
	h.reportReader(ctx)
}

const (
	responseMargin = time.Second      // reserved for the response, or a tenth of the time if that is less
	noDeadline     = 60 * time.Second // used when the caller sets no deadline
)

// deadlines returns the contexts of the steps of a batch: for storing and
// computing, for delivering, and for everything before the response. Each ends
// early enough to leave time for the later steps.
func deadlines(ctx context.Context) (compute, put, answer context.Context, cancel context.CancelFunc) {
	now := time.Now()
	end, ok := ctx.Deadline()
	if !ok {
		end = now.Add(noDeadline)
	}
	left := end.Sub(now)
	left -= min(responseMargin, left/10)
	answer, cancel1 := context.WithDeadline(ctx, now.Add(left))
	put, cancel2 := context.WithDeadline(ctx, now.Add(left*9/10))
	compute, cancel3 := context.WithDeadline(ctx, now.Add(left*7/10))
	return compute, put, answer, func() { cancel3(); cancel2(); cancel1() }
}

// reportList logs why a list is not made, with the stack of a panic. These errors
// contain no records and no user ids.
func (h *Handler) reportList(what string, err error) {
	h.Log.Error("list not made, its events are in the next one", append([]any{"step", what, "error", err}, panics.LogAttributes(err)...)...)
}

// report logs why records will be retried, with the stack of a panic. These
// errors contain no records and no user ids.
func (h *Handler) report(what string, err error) {
	h.Log.Error("batch partially failed, records will be retried", append([]any{"step", what, "error", err}, panics.LogAttributes(err)...)...)
}
