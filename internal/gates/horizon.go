package gates

import (
	"context"
	"fmt"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// checkHorizon refuses a version whose uncovered events are no longer kept:
// going live, it would have lost them for good.
func checkHorizon(ctx context.Context, s *subject) (recsys.GateResult, error) {
	h, err := s.versions.Horizon(ctx)
	if err != nil {
		return recsys.GateResult{}, err
	}
	c := s.manifest.Coverage
	switch {
	case h.StoredBefore.After(c.StoredTo):
		return lost("were stored", h.StoredBefore, c.StoredTo), nil
	case h.OccurredBefore.After(c.To):
		return lost("occurred", h.OccurredBefore, c.To), nil
	}
	if h.StoredBefore.IsZero() && h.OccurredBefore.IsZero() {
		return passed(0, 0, "every live event is still kept"), nil
	}
	return passed(0, 0, "every live event that this version has not counted is still kept; those dropped were stored before %s", show(h.StoredBefore)), nil
}

// lost refuses because the horizon lies beyond what the version has counted.
func lost(how string, horizon, counted time.Time) recsys.GateResult {
	gap := horizon.Sub(counted)
	return refused(gap.Seconds(), 0,
		"live events that %[1]s before %[2]s are no longer kept and this version has counted only those that %[1]s before %[3]s, so up to %[4]s of clicks would be lost; train again on newer data",
		how, show(horizon), show(counted), span(gap))
}

func show(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// span is a duration as a person says it.
func span(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	}
	return d.Round(time.Second).String()
}
