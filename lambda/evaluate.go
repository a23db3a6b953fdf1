package main

import (
	"math"
	"slices"

	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// trialDepth is the number of list positions searched for an item.
const trialDepth = 100

// trial compares two lists made without an event to see whether they contain
// its item.
type trial struct {
	event *event
	live  trialList // with the user's earlier events
	stale trialList // of the version alone
}

// trialList is one of the two lists of a trial.
type trialList struct {
	state recommend.State
	stage string
	rank  int  // rank of the event's item; 0: not in the list
	known bool // the list has been computed
}

// known reports whether both lists have been computed.
func (t *trial) known() bool { return t != nil && t.live.known && t.stale.known }

// newTrial prepares a trial of the user's earliest event in the batch that is
// in the sample, is folded in, adds interest, and is on an item that the user had not
// seen. It returns nil if there is none, or if the user has more events than are folded in.
func (h *Handler) newTrial(r *recommend.Reader, u *user, s recsys.UserState) *trial {
	if s.NotFolded > 0 {
		return nil
	}
	var sample []*event
	for _, e := range u.events {
		adds := r.Interest().Weight(e.EventType, e.Value) > 0 // a return is no answer to a list
		if e.folded && adds && !e.repeated && h.inSample(e.EventID) {
			sample = append(sample, e)
		}
	}
	if len(sample) == 0 {
		return nil
	}
	ours := make(map[string]bool, len(u.events))
	for _, e := range u.events {
		ours[e.EventID] = true
	}
	before := s
	before.Events = slices.DeleteFunc(slices.Clone(s.Events), func(e recsys.Event) bool { return ours[e.EventID] })
	live, err := r.Fold(before)
	if err != nil {
		return nil
	}
	slices.SortFunc(sample, byTime)
	i := slices.IndexFunc(sample, func(e *event) bool { return !live.Seen(e.ItemID) })
	if i < 0 {
		return nil
	}
	before.Events = nil
	stale, err := r.Fold(before)
	if err != nil {
		return nil
	}
	return &trial{event: sample[i], live: trialList{state: live}, stale: trialList{state: stale}}
}

// inSample reports whether an event is in the sample. The result depends only on
// the event id.
func (h *Handler) inSample(eventID string) bool {
	return float64(recsys.IDHash("evaluate:", eventID)) < h.EvaluateShare*math.MaxUint64
}
