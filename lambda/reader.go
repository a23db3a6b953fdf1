package main

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// liveReader returns the reader of the live version at a revision of the live
// pointer. It reuses the reader of the last batch unless the pointer has
// changed.
func (h *Handler) liveReader(ctx context.Context, revision int64) (*recommend.Reader, error) {
	if h.reader != nil && h.revision == revision {
		return h.reader, nil
	}
	return h.newReader(ctx)
}

// newReader returns a reader of the version that is live now.
func (h *Handler) newReader(ctx context.Context) (*recommend.Reader, error) {
	h.reader = nil
	live, err := h.stores.versions.Live(ctx)
	if err != nil {
		return nil, err
	}
	h.reader, h.revision = recommend.NewReader(h.stores.embeddings, live.Version, live.Manifest), live.Revision
	h.reader.Memory = h.memory
	h.loadAfter = time.Time{}
	h.configHash = h.reader.ConfigHash(recommend.Request{K: h.ListLength})
	return h.reader, nil
}

// Loading the items may take half of the time left in a batch. A failed load is
// not retried for a while.
const (
	loadShare      = 2
	loadRetryAfter = time.Minute
)

// loadItems loads the items of the reader into memory after everything else of
// a batch is done. The first batch of a version searches Postgres instead, so a
// promotion delays no list.
func (h *Handler) loadItems(ctx context.Context, b *batch) {
	defer lap(&b.times.load, time.Now())
	if h.Search.Mode == config.SearchInPostgres || h.Now().Before(h.loadAfter) {
		return
	}
	ctx, cancel := shareOf(ctx)
	defer cancel()
	if err := h.loadLive(ctx); err != nil {
		h.loadAfter = h.Now().Add(loadRetryAfter)
		h.Log.Warn("failed to load items into memory, searching Postgres", "error", err)
	}
}

// warmUpWithin limits loading the items before the first batch. Lambda allows 10 s for
// the start, of which openWithin may be used already.
const warmUpWithin = 5 * time.Second

// warmUp loads the live version before the first batch: the searches of a first batch
// in Postgres take longer than loading the items once. If it fails, the first batches
// are searched in Postgres.
func (h *Handler) warmUp(ctx context.Context) {
	if h.Search.Mode == config.SearchInPostgres {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, warmUpWithin)
	defer cancel()
	_, err := h.newReader(ctx)
	if errors.Is(err, recsys.ErrNoLiveVersion) {
		return
	}
	if err == nil {
		err = h.loadLive(ctx)
	}
	if err != nil {
		h.loadAfter = h.Now().Add(loadRetryAfter)
		h.Log.Warn("failed to load items into memory before the first batch", "error", err)
	}
}

// shareOf limits loading to its share of the remaining time.
func shareOf(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, time.Until(end)/loadShare)
}

// loadLive loads the items of the reader's version.
func (h *Handler) loadLive(ctx context.Context) error {
	if h.memory == nil {
		h.memory = recommend.NewMemory(h.stores.embeddings, h.Search.Bytes())
		h.memory.Required = h.Search.Mode == config.SearchInMemory
	}
	h.reader.Memory = h.memory
	return h.memory.Load(ctx, h.reader.Version())
}

// requireItems loads the items before the lists are computed, if Postgres must not be
// searched.
func (h *Handler) requireItems(ctx context.Context, b *batch) error {
	if h.Search.Mode != config.SearchInMemory {
		return nil
	}
	defer lap(&b.times.load, time.Now())
	return h.loadLive(ctx)
}

// prepare loads the version that is about to be promoted, if it fits. Its promotion
// waits for the report of the next batch, also if it does not fit or cannot be read.
func (h *Handler) prepare(ctx context.Context, b *batch) {
	defer lap(&b.times.load, time.Now())
	if b.candidate != 0 {
		ctx, cancel := shareOf(ctx)
		defer cancel()
		v, err := h.stores.versions.Version(ctx, b.candidate)
		if err == nil {
			err = h.memory.Preload(ctx, v)
		}
		if err != nil {
			h.Log.Warn("failed to load the items of the version to be promoted", "version", b.candidate, "error", err)
		}
	}
	h.as.Prepared, h.reportAt = b.candidate, time.Time{}
}

// reportReader reports the function as a reader of versions. It is best effort.
func (h *Handler) reportReader(ctx context.Context) {
	if h.Now().Before(h.reportAt) {
		return
	}
	if h.as.Process == "" {
		h.as = versions.Reader{Process: uuid.NewString(), Component: "function", Memory: h.Search.Bytes()}
	}
	h.reportAt = h.Now().Add(versions.ReportEvery)
	if err := h.stores.versions.ReportReader(ctx, h.as); err != nil {
		h.Log.Warn("failed to report the function as a reader", "error", err)
	}
}
