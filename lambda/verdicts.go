package main

import (
	"context"
	"time"

	"github.com/recflow/recflow/internal/panics"
	"github.com/recflow/recflow/internal/postgres/events"
)

// recordVerdicts writes the verdicts. It runs last: everything of an event with
// a verdict has been delivered.
func (h *Handler) recordVerdicts(ctx context.Context, b *batch) {
	var verdicts []events.Verdict
	var evaluations []events.Evaluation
	var outcomes []*outcome // outcomes that the verdicts complete
	for _, e := range b.events {
		if e.outcome == delivered && e.listDelivered() {
			verdicts = append(verdicts, e.verdict(b.version))
			outcomes = append(outcomes, &e.outcome)
		}
	}
	for _, u := range b.users {
		if u.trial.known() && u.trial.event.outcome == delivered && u.outcome == delivered {
			evaluations = append(evaluations, u.trial.evaluation(u.list.Version))
		}
	}
	seen := map[events.VerdictKey]bool{}
	for r, p := range b.faulty() {
		key := events.VerdictKey{EventID: p.EventID, Digest: p.Digest}
		switch {
		case p.outcome != delivered:
			continue
		case p.EventID == "": // a verdict needs an event id
			p.outcome = recorded
			continue
		case !seen[key]:
			seen[key] = true
			verdicts = append(verdicts, p.verdict(r.ArrivedAt))
		}
		outcomes = append(outcomes, &p.outcome)
	}
	if len(verdicts) == 0 {
		return
	}
	err := panics.Catch(func() error { return h.stores.events.WriteVerdicts(ctx, verdicts, evaluations) })
	if err != nil {
		h.report("record the verdicts", err)
		return
	}
	for _, o := range outcomes {
		*o = recorded
	}
}

// verdict returns the verdict of a valid event when version was live, 0 for
// none.
func (e *event) verdict(version int64) events.Verdict {
	v := events.Verdict{
		EventID: e.EventID, Digest: e.Digest, Verdict: events.Ignored, Reason: e.reason, ArrivedAt: e.arrivedAt,
	}
	switch {
	case version == 0:
		v.Reason = noLiveVersion
	case e.user == nil:
		v.Reason, v.Version = impression, version
	case e.user.failed:
		v.Version = version
	default:
		v.Stage, v.Version = e.user.list.Stage, e.user.list.Version
		if e.folded {
			v.Verdict = events.Folded
		}
	}
	return v
}

// verdict returns the verdict of a faulty part with a readable event_id.
func (p *part) verdict(arrivedAt time.Time) events.Verdict {
	return events.Verdict{
		EventID: p.EventID, Digest: p.Digest, Verdict: events.QuarantinedVerdict, Reason: p.Fault.Reason, ArrivedAt: arrivedAt,
	}
}

func (t *trial) evaluation(version int64) events.Evaluation {
	return events.Evaluation{
		EventID: t.event.EventID, Version: version,
		LiveStage: t.live.stage, StaleStage: t.stale.stage, LiveRank: t.live.rank, StaleRank: t.stale.rank,
	}
}
