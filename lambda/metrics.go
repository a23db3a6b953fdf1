package main

import (
	"time"

	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/stream"
	"github.com/recflow/recflow/internal/telemetry"
)

// times is the time spent in each step of a batch.
type times struct{ store, read, fold, search, write, load time.Duration }

// lap adds the time since begin and returns the current time.
func lap(d *time.Duration, begin time.Time) time.Time {
	now := time.Now()
	*d += now.Sub(begin)
	return now
}

// writeMetrics writes one line of metrics about a finished batch.
func (h *Handler) writeMetrics(b *batch) {
	if err := h.line(b, h.Now()).Write(h.Metrics); err != nil {
		h.Log.Error("failed to write metrics", "error", err)
	}
}

func (h *Handler) line(b *batch, now time.Time) telemetry.Line {
	line := telemetry.Line{
		Namespace:  telemetry.Namespace,
		Dimensions: []telemetry.Dimension{{Name: "Function", Value: h.Function}},
		At:         now,
	}
	count := func(name string, n int64) {
		line.Metrics = append(line.Metrics, telemetry.Metric{Name: name, Unit: telemetry.Count, Value: float64(n)})
	}
	span := func(name string, d time.Duration) {
		ms := float64(d.Microseconds()) / 1000
		line.Metrics = append(line.Metrics, telemetry.Metric{Name: name, Unit: telemetry.Milliseconds, Value: ms})
	}
	t := b.tally()
	count("Records", int64(len(b.records)))
	count("RecordsToRetry", t.retried)
	count("EventsFolded", t.folded)
	count("EventsIgnored", t.ignored)
	count("EventsQuarantined", t.quarantined)
	count("EventsOfUnknownItems", t.unknownItems)
	count("EventsOfUnknownTypes", t.unknownTypes)
	count("EventsOverUserLimit", t.overUserLimit)
	count("EventsClamped", t.clamped)
	count("EventsInConflict", t.conflicts)
	count("EventsEvaluated", t.evaluated)
	count("ListsPersonalized", t.lists[recommend.Personalized])
	count("ListsSession", t.lists[recommend.Session])
	count("ListsPopular", t.lists[recommend.Popular])
	count("ListsFailed", t.listsFailed)
	count("ItemCacheHits", b.cacheHits)
	count("ItemCacheMisses", b.cacheMisses)
	count("ItemsInMemory", h.itemsInMemory())
	span("StoreTime", b.times.store)
	span("ReadTime", b.times.read)
	span("FoldTime", b.times.fold)
	span("SearchTime", b.times.search)
	span("WriteTime", b.times.write)
	span("HoldTime", b.times.load)
	if n := len(b.records); n > 0 {
		span("IteratorAge", now.Sub(b.records[n-1].ArrivedAt))
	}
	return line
}

// itemsInMemory returns the number of items searched in memory, or 0 if Postgres is
// searched.
func (h *Handler) itemsInMemory() int64 {
	if h.reader == nil {
		return 0
	}
	return int64(h.reader.ItemsInMemory())
}

// tally counts the results of a batch.
type tally struct {
	retried, folded, ignored, quarantined int64
	unknownItems, unknownTypes            int64
	overUserLimit                         int64
	clamped, conflicts, evaluated         int64
	lists                                 map[string]int64 // by stage
	listsFailed                           int64
}

func (b *batch) tally() tally {
	t := tally{lists: map[string]int64{}}
	for _, r := range b.records {
		if r.retry() {
			t.retried++
		}
		for _, p := range r.parts {
			if p.Fault == nil && p.Clamped {
				t.clamped++
			}
		}
	}
	for _, p := range b.faulty() {
		t.quarantined++
		if p.Fault.Reason == stream.Conflict {
			t.conflicts++
		}
	}
	for _, e := range b.events {
		switch {
		case e.outcome != recorded || e.repeated:
		case e.folded:
			t.folded++
		default:
			t.ignored++
			switch e.reason {
			case unknownItem:
				t.unknownItems++
			case unknownType:
				t.unknownTypes++
			case overUserLimit:
				t.overUserLimit++
			}
		}
	}
	for _, u := range b.users {
		if u.list != nil {
			t.lists[u.list.Stage]++
		}
		if u.failed {
			t.listsFailed++
		}
		if u.trial.known() {
			t.evaluated++
		}
	}
	return t
}
