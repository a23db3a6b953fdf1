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

// trial compares two lists made without an event: would they have shown its item?
type trial struct {
	event *event
	live  trialList // with the user's earlier events
	stale trialList // of the version alone
}

type trialList struct {
	state recommend.State
	stage string
	rank  int  // of the event's item; 0: not in the list
	known bool // the list has been found
}

// known reports whether both lists have been found.
func (t *trial) known() bool { return t != nil && t.live.known && t.stale.known }

// newTrial prepares the trial of the first of a user's events in the batch, by
// time, that was drawn for it, is folded, and is on an item that the user had not
// seen. It returns nil when there is none.
func (h *Handler) newTrial(r *recommend.Reader, u *user, s vectorstore.UserState) *trial {
	var drawn []*event
	ours := make(map[string]bool, len(u.events))
	for _, e := range u.events {
		ours[e.EventID] = true
		if e.folded && !e.repeated && h.draws(e.EventID) {
			drawn = append(drawn, e)
		}
	}
	if len(drawn) == 0 {
		return nil
	}
	before := s
	before.Events = slices.DeleteFunc(slices.Clone(s.Events), func(e recsys.Event) bool { return ours[e.EventID] })
	live, err := r.Fold(before)
	if err != nil {
		return nil
	}
	slices.SortFunc(drawn, byTime)
	i := slices.IndexFunc(drawn, func(e *event) bool { return !live.Met(e.ItemID) })
	if i < 0 {
		return nil
	}
	before.Events = nil
	stale, err := r.Fold(before)
	if err != nil {
		return nil
	}
	return &trial{event: drawn[i], live: trialList{state: live}, stale: trialList{state: stale}}
}

// draws reports whether an event belongs to the sample that is tried: the same
// one wherever and however often it arrives.
func (h *Handler) draws(eventID string) bool {
	return float64(recsys.IDHash("evaluate:", eventID)) < h.EvaluateShare*math.MaxUint64
}
