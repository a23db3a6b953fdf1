package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"github.com/recflow/recflow/internal/panics"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// stores is what the handler needs of the database.
type stores struct {
	versions   liveReader
	embeddings recommend.Data
	events     eventStore
}

type liveReader interface {
	Live(ctx context.Context) (recsys.Live, error)
}

type eventStore interface {
	StoreEvents(ctx context.Context, events []events.StreamEvent) (events.StoredBatch, error)
	WriteVerdicts(ctx context.Context, verdicts []events.Verdict, evaluations []events.Evaluation) error
}

// putter delivers records and returns the indexes of those that did not arrive.
type putter interface {
	Put(ctx context.Context, stream string, records [][]byte) (failed []int, err error)
}

// payloads is where bytes go that no delivery record can hold.
type payloads interface {
	Put(ctx context.Context, key string, body io.ReadSeeker) error
}

// Handler turns batches of the stream into recommendations. It handles one at a
// time, as Lambda asks of an environment.
type Handler struct {
	Open       func(context.Context) (*stores, error) // called until it succeeds
	Firehose   putter
	Payloads   payloads
	Deliveries Deliveries

	ListLength    int     // items of a list
	EvaluateShare float64 // of the events, on which lists are evaluated
	SearchMemory  int64   // bytes for the items of the live version; a larger catalogue is searched in Postgres
	Function      string  // names the metrics
	Log           *slog.Logger
	Metrics       io.Writer // a line of metrics a batch
	Now           func() time.Time

	// What the environment keeps between two batches.
	stores     *stores
	reader     *recommend.Reader // of the version that was live in the last batch
	revision   int64             // of the live pointer then
	configHash string            // of the reader's lists
	holdFrom   time.Time         // when to try to hold the reader's items again
}

// Deliveries names the delivery streams.
type Deliveries struct{ Recommendations, Events, Quarantine string }

// Handle is the Lambda function. Its response names the lowest sequence number to
// retry, and none when every record is done or in quarantine. It returns no error:
// the response says more.
func (h *Handler) Handle(ctx context.Context, in lambdaevents.KinesisEvent) (out lambdaevents.KinesisEventResponse, err error) {
	defer func() {
		if p := recover(); p != nil {
			h.report("handle a batch", panics.New(p))
			h.reader = nil // it may be incomplete
			out = newBatch(in).response()
		}
	}()
	b := h.process(ctx, in)
	h.writeMetrics(b)
	return b.response(), nil
}

// process takes a batch through its four steps: decode, store, compute, write. A
// record is retried unless everything in it is done, so a step that fails has
// nothing to mark.
func (h *Handler) process(ctx context.Context, in lambdaevents.KinesisEvent) *batch {
	computeCtx, putCtx, answerCtx, cancel := deadlines(ctx)
	defer cancel()

	b := h.decode(in)

	if err := h.open(computeCtx); err != nil {
		h.report("open the database", err)
		return b
	}
	previous := h.reader
	reader, err := h.storeEvents(computeCtx, b)
	if err != nil {
		h.report("accept the events", err)
		return b
	}

	if reader != nil {
		if err := h.compute(computeCtx, reader, b); err != nil {
			h.report("make the lists", err) // those made so far are delivered
		}
	}

	h.write(putCtx, answerCtx, b)

	if previous != nil && previous == h.reader {
		h.holdItems(answerCtx, b)
	}
	return b
}

const (
	answerMargin = time.Second      // kept for the answer, or a tenth when that is less
	noDeadline   = 60 * time.Second // for a caller that sets none
)

// deadlines returns the contexts of the steps of one batch: of storing and
// computing, of delivering, and of everything before the answer. Each ends early
// enough to leave time for the steps after it.
func deadlines(ctx context.Context) (compute, put, answer context.Context, cancel context.CancelFunc) {
	now := time.Now()
	end, ok := ctx.Deadline()
	if !ok {
		end = now.Add(noDeadline)
	}
	left := end.Sub(now)
	left -= min(answerMargin, left/10)
	answer, cancel1 := context.WithDeadline(ctx, now.Add(left))
	put, cancel2 := context.WithDeadline(ctx, now.Add(left*9/10))
	compute, cancel3 := context.WithDeadline(ctx, now.Add(left*7/10))
	return compute, put, answer, func() { cancel3(); cancel2(); cancel1() }
}

// report logs why records will be retried, with the stack of a panic. Neither
// records nor users are in these errors.
func (h *Handler) report(what string, err error) {
	h.Log.Error("part of a batch has to come again", append([]any{"step", what, "error", err}, panics.LogAttributes(err)...)...)
}
