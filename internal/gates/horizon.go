package gates

import (
	"context"
	"fmt"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// checkHorizon refuses a version if uncovered events were deleted: after its
// promotion they would be lost permanently.
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
		return passed(0, 0, "no live event was deleted"), nil
	}
	return passed(0, 0, "no live event that this version does not cover was deleted; the deleted ones were stored before %s", formatTime(h.StoredBefore)), nil
}

// lost refuses a version because uncovered events were deleted.
func lost(how string, horizon, counted time.Time) recsys.GateResult {
	gap := horizon.Sub(counted)
	return refused(gap.Seconds(), 0,
		"live events that %[1]s before %[2]s were deleted and this version covers only those that %[1]s before %[3]s, so up to %[4]s of events would be lost; train again on newer data",
		how, formatTime(horizon), formatTime(counted), span(gap))
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// span formats a duration for people.
func span(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	}
	return d.Round(time.Second).String()
}
