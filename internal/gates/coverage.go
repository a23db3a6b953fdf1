package gates

import (
	"context"
	"fmt"
	"strconv"

	"github.com/recflow/recflow/internal/recsys"
)

// checkCoverage refuses a version whose training did not read exactly the streamed
// events that it claims to cover and its baseline does not: a missing event would be
// lost, because a covered event is never folded in.
func checkCoverage(ctx context.Context, s *subject) (recsys.GateResult, error) {
	horizon, err := s.versions.Horizon(ctx)
	if err != nil {
		return recsys.GateResult{}, err
	}
	baseline := s.manifest.Input.Streamed.Baseline
	if !horizon.Covers(baseline.Coverage()) {
		return warned(0, 0, "not checked: some of the events that the baseline of the training, %s, does not cover were deleted since", baselineName(baseline)), nil
	}
	want, err := s.events.StreamedSet(ctx, s.manifest.Coverage, baseline)
	if err != nil {
		return recsys.GateResult{}, err
	}
	got := s.manifest.Input.Streamed.EventSet
	since := "since its baseline, " + baselineName(baseline)
	switch {
	case got.Count < want.Count:
		return refused(float64(got.Count), float64(want.Count),
			"of %d streamed events %s, the training read %d; the others are not in raw/events: run `recflow coverage redeliver` and train again",
			want.Count, since, got.Count), nil
	case got.Count > want.Count:
		return refused(float64(got.Count), float64(want.Count),
			"the training read %d streamed events %s, and Postgres has %d; if Postgres was restored, run `recflow coverage accept`, otherwise find what else was written to raw/events, and train again",
			got.Count, since, want.Count), nil
	case setHash(got) != setHash(want):
		return refused(float64(got.Count), float64(want.Count),
			"the training read %d streamed events %s, as many as Postgres has, but different ones; find what else was written to raw/events, and train again",
			got.Count, since), nil
	}
	return passed(float64(got.Count), float64(want.Count), "the training read exactly the %d streamed events %s", got.Count, since), nil
}

// baselineName names a baseline in a sentence.
func baselineName(b recsys.Baseline) string {
	switch {
	case b.Version != 0:
		return fmt.Sprintf("version %d", b.Version)
	case b.StoredTo.IsZero():
		return "the first event"
	}
	return "the events stored before " + formatTime(b.StoredTo)
}

// setHash returns the hash of a set; an empty set may omit it.
func setHash(s recsys.EventSet) uint64 {
	h, _ := strconv.ParseUint(s.Hash, 16, 64) // validated by Manifest.Validate
	return h
}
