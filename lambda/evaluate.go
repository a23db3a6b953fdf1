package main

import (
	"math"
	"slices"

	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
)

// trialDepth is how far down a list an item is looked for.
const trialDepth = 100

// try prepares the trial of the first of a user's events in the batch, by time,
// that was drawn for it, weighs something, and is on an item the user has never
// met: the list before the batch against the one of the version alone. It
// returns nil when there is none.
func (h *Handler) try(r *recommend.Reader, b *batch, u *user, s vectorstore.UserState) *trial {
	var drawn []int
	for _, e := range u.events {
		if ev := b.events[e]; ev.folded && !ev.done && h.draws(ev.EventID) {
			drawn = append(drawn, e)
		}
	}
	if len(drawn) == 0 {
		return nil
	}
	slices.SortFunc(drawn, func(x, y int) int { return later(b.events[x], b.events[y]) })

	ours := make(map[string]bool, len(u.events))
	for _, e := range u.events {
		ours[b.events[e].EventID] = true
	}
	before := s
	before.Events = slices.DeleteFunc(slices.Clone(s.Events), func(e recsys.Event) bool { return ours[e.EventID] })
	live, err := r.Fold(before)
	if err != nil {
		return nil
	}
	for _, e := range drawn {
		if live.Met(b.events[e].ItemID) {
			continue
		}
		before.Events = nil
		stale, err := r.Fold(before)
		if err != nil {
			return nil
		}
		return &trial{event: e, liveState: live, staleState: stale}
	}
	return nil
}

// draws reports whether an event belongs to the sample that is tried: the same
// one wherever and however often it arrives.
func (h *Handler) draws(eventID string) bool {
	return float64(recsys.IDHash("evaluate:", eventID)) < h.EvaluateShare*math.MaxUint64
}
