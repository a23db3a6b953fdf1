package main

import (
	"context"

	"github.com/recflow/recflow/internal/vectorstore"
)

// record writes the verdicts, last of all: of an event that has one, everything
// has been delivered. What cannot be recorded has to come again.
func (h *Handler) record(ctx context.Context, b *batch, noEvent, noList, noQuarantine map[int]bool) {
	var verdicts []vectorstore.Verdict
	complete := make(map[int]bool, len(b.events))
	for i, e := range b.events {
		if e.conflict || e.done || noEvent[i] || e.user >= 0 && noList[e.user] {
			continue
		}
		complete[i] = true
		verdicts = append(verdicts, b.verdict(e))
	}
	verdicts = append(verdicts, b.refused(noQuarantine)...)
	if len(verdicts) == 0 {
		return
	}
	err := safely(func() error { return h.store.WriteVerdicts(ctx, verdicts, b.evaluations(complete)) })
	if err == nil {
		for i := range complete {
			b.events[i].recorded = true
		}
		return
	}
	h.report("record the verdicts", err)
	for i := range complete {
		b.retryEvent(i)
	}
	for _, u := range b.units {
		if u.Fault != nil && u.EventID != "" {
			b.records[u.record].retry = true
		}
	}
}

// verdict is what became of an accepted event.
func (b *batch) verdict(e event) vectorstore.Verdict {
	v := vectorstore.Verdict{
		EventID: e.EventID, Digest: e.Digest, Verdict: vectorstore.Ignored, Reason: e.reason, ArrivedAt: e.arrived,
	}
	switch {
	case b.version == 0:
		v.Reason = noLiveVersion
	case e.user < 0:
		v.Reason, v.Version = impression, b.version
	default:
		list := b.users[e.user].list
		v.Stage, v.Version = list.Stage, list.Version
		if e.folded {
			v.Verdict = vectorstore.Folded
		}
	}
	return v
}

// refused is the verdicts of what is quarantined and has a readable event_id,
// each once.
func (b *batch) refused(noQuarantine map[int]bool) []vectorstore.Verdict {
	var out []vectorstore.Verdict
	seen := map[vectorstore.VerdictKey]bool{}
	for i, u := range b.units {
		key := vectorstore.VerdictKey{EventID: u.EventID, Digest: u.Digest}
		if u.Fault == nil || u.EventID == "" || noQuarantine[i] || seen[key] {
			continue
		}
		seen[key] = true
		out = append(out, vectorstore.Verdict{
			EventID: u.EventID, Digest: u.Digest, Verdict: vectorstore.QuarantinedVerdict,
			Reason: u.Fault.Reason, ArrivedAt: b.records[u.record].ArrivedAt,
		})
	}
	return out
}

// evaluations is the trials of complete events of which both ranks are known.
func (b *batch) evaluations(complete map[int]bool) []vectorstore.Evaluation {
	var out []vectorstore.Evaluation
	for _, t := range b.trials {
		e := b.events[t.event]
		if !complete[t.event] || !t.liveKnown || !t.staleKnown {
			continue
		}
		out = append(out, vectorstore.Evaluation{
			EventID: e.EventID, Version: b.users[e.user].list.Version,
			LiveStage: t.liveStage, StaleStage: t.staleStage, LiveRank: t.liveRank, StaleRank: t.staleRank,
		})
	}
	return out
}
