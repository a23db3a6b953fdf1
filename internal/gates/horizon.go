package gates

import (
	"context"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// checkHorizon refuses a version whose uncovered events are no longer kept:
// going live, it would have lost them for good.
func checkHorizon(ctx context.Context, s *subject) (recsys.GateResult, error) {
	h, err := s.store.Horizon(ctx)
	if err != nil {
		return recsys.GateResult{}, err
	}
	c := s.manifest.Coverage
	lost := max(secondsPast(h.StoredBefore, c.StoredTo), secondsPast(h.OccurredBefore, c.To))
	if !h.Covers(c) {
		return refused(lost, 0,
			"live events stored before %s are no longer kept and this version counts only those stored before %s, so up to %s of clicks would be lost; train again on newer data",
			show(h.StoredBefore), show(c.StoredTo), (time.Duration(lost) * time.Second).String()), nil
	}
	if h.StoredBefore.IsZero() && h.OccurredBefore.IsZero() {
		return passed(0, 0, "every live event is still kept"), nil
	}
	return passed(0, 0, "every live event that this version has not counted is still kept; those dropped were stored before %s", show(h.StoredBefore)), nil
}

// secondsPast is how many seconds the horizon lies beyond what is covered.
func secondsPast(horizon, covered time.Time) float64 {
	return max(0, horizon.Sub(covered).Seconds())
}

func show(t time.Time) string { return t.UTC().Format(time.RFC3339) }
