package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/recflow/recflow/internal/panics"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
)

// store is what the handler needs of a *vectorstore.Store.
type store interface {
	recommend.Data
	Live(ctx context.Context) (vectorstore.Live, error)
	StoreEvents(ctx context.Context, events []vectorstore.StreamEvent) (vectorstore.StoredBatch, error)
	WriteVerdicts(ctx context.Context, verdicts []vectorstore.Verdict, evaluations []vectorstore.Evaluation) error
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
	Open       func(context.Context) (store, error) // called until it succeeds
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
	store      store
	reader     *recommend.Reader // of the version that was live in the last batch
	revision   int64             // of the live pointer then
	configHash string            // of the reader's lists
	holdFrom   time.Time         // when to try to hold the reader's items again
}

// Deliveries names the delivery streams.
type Deliveries struct{ Recommendations, Events, Quarantine string }

// Handle is the Lambda function. Its response names the lowest sequence number to
// retry, and none when every record is done or in quarantine. It returns no error:
// that would be the same as failing the first record, with less said.
func (h *Handler) Handle(ctx context.Context, in events.KinesisEvent) (out events.KinesisEventResponse, err error) {
	defer func() {
		if p := recover(); p != nil {
			h.report("handle a batch", panics.New(p))
			h.reader = nil // it may have been left half-way
			out = failFirst(in)
		}
	}()
	b := h.process(ctx, in)
	h.measure(b)
	return b.response(), nil
}

// process takes a batch through its steps. What it does not come to is retried.
func (h *Handler) process(ctx context.Context, in events.KinesisEvent) *batch {
	computeCtx, putCtx, answerCtx, cancel := deadlines(ctx)
	defer cancel()
	b := h.decode(in)
	if err := h.open(computeCtx); err != nil {
		h.report("open the store", err)
		return b
	}
	known := h.reader
	reader, err := h.accept(computeCtx, b)
	if err != nil {
		h.report("accept the events", err)
		return b
	}
	if reader != nil {
		b.groupByUser()
		if err := h.recommend(computeCtx, reader, b); err != nil {
			h.report("make the lists", err) // those made so far are delivered
		}
	}
	begin := time.Now()
	h.write(putCtx, answerCtx, b)
	begin = lap(&b.times.write, begin)
	if known != nil && h.reader == known {
		h.hold(answerCtx, known)
		lap(&b.times.hold, begin)
	}
	return b
}

// open connects to the database unless that is done.
func (h *Handler) open(ctx context.Context) error {
	if h.store != nil {
		return nil
	}
	s, err := h.Open(ctx)
	if err == nil {
		h.store = s
	}
	return err
}

// accept stores the events and returns the reader of the live version, nil when
// none is live.
func (h *Handler) accept(ctx context.Context, b *batch) (*recommend.Reader, error) {
	if len(b.events) == 0 {
		return nil, nil
	}
	begin := time.Now()
	stored, err := b.storeEvents(ctx, h.store)
	lap(&b.times.store, begin)
	if err != nil {
		return nil, err
	}
	if stored.Version == 0 {
		h.reader = nil
		return nil, nil
	}
	if h.reader == nil || h.revision != stored.Revision {
		return h.resolve(ctx)
	}
	return h.reader, nil
}

// resolve makes a reader of the version that is live now.
func (h *Handler) resolve(ctx context.Context) (*recommend.Reader, error) {
	h.reader = nil
	live, err := h.store.Live(ctx)
	if err != nil {
		return nil, err
	}
	h.reader, h.revision = recommend.NewReader(h.store, live.Version, live.Manifest), live.Revision
	h.holdFrom = time.Time{}
	h.configHash = h.reader.ConfigHash(recommend.Request{K: h.ListLength})
	return h.reader, nil
}

// Reading the items into memory may take half of what is left of a batch, and is
// not tried again for a while when it fails.
const (
	holdShare = 2
	holdAgain = time.Minute
)

// hold reads the items of a reader into memory, when everything else of a batch
// is done. The first batches of a version are searched in Postgres: so a flip
// costs none of them time, and the first one, which has to find out what is live,
// no further round trip.
func (h *Handler) hold(ctx context.Context, r *recommend.Reader) {
	if h.SearchMemory <= 0 || h.Now().Before(h.holdFrom) {
		return
	}
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/holdShare)
		defer cancel()
	}
	if err := r.HoldItems(ctx, h.SearchMemory); err != nil {
		h.holdFrom = h.Now().Add(holdAgain)
		h.Log.Warn("the items stay in Postgres for now", "error", err)
	}
}

// recommend makes the lists; if the version is dropped meanwhile, once more with
// the one that is live then.
func (h *Handler) recommend(ctx context.Context, r *recommend.Reader, b *batch) error {
	err := h.compute(ctx, r, b)
	if !errors.Is(err, recsys.ErrVersionGone) {
		return err
	}
	for _, u := range b.users { // all from one version
		u.list, u.trial = nil, nil
	}
	b.cacheHits, b.cacheMisses = 0, 0
	if r, err = h.resolve(ctx); err != nil {
		return err
	}
	return h.compute(ctx, r, b)
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

// report logs why something has to come again, with the stack of a panic. Neither
// records nor users are in these errors.
func (h *Handler) report(what string, err error) {
	h.Log.Error("part of a batch has to come again", append([]any{"step", what, "error", err}, panics.LogAttributes(err)...)...)
}

// failFirst is the answer when nothing is known of any record.
func failFirst(in events.KinesisEvent) events.KinesisEventResponse {
	return newBatch(in).response()
}
