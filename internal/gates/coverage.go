package gates

import (
	"context"
	"strconv"

	"github.com/recflow/recflow/internal/recsys"
)

// checkCoverage refuses a version whose training did not read exactly the
// streamed events that it claims to cover: a missing event would be lost,
// because a covered event is never folded in.
func checkCoverage(ctx context.Context, s *subject) (recsys.GateResult, error) {
	horizon, err := s.versions.Horizon(ctx)
	if err != nil {
		return recsys.GateResult{}, err
	}
	if !horizon.Covers(s.manifest.Coverage) {
		return warned(0, 0, "not checked: some of the events were deleted, which gate %s checks", recsys.GateHorizon), nil
	}
	want, err := s.events.StreamedSet(ctx, s.manifest.Coverage)
	if err != nil {
		return recsys.GateResult{}, err
	}
	got := s.manifest.Input.Streamed
	switch {
	case got.Count != want.Count:
		return refused(float64(got.Count), float64(want.Count),
			"the training read %d streamed events and Postgres has %d that it covers; wait until the stream has delivered them to S3 and train again, or raise the margin",
			got.Count, want.Count), nil
	case setHash(got) != setHash(want):
		return refused(float64(got.Count), float64(want.Count),
			"the training read %d streamed events, as many as Postgres has, but different ones; find what else was written to raw/events, and train again",
			got.Count), nil
	case got.Count == 0:
		return passed(0, 0, "the version covers no streamed event, and the training read none"), nil
	}
	return passed(float64(got.Count), float64(want.Count), "the training read exactly the %d streamed events that the version covers", got.Count), nil
}

// setHash returns the hash of a set; an empty set may omit it.
func setHash(s recsys.EventSet) uint64 {
	h, _ := strconv.ParseUint(s.Hash, 16, 64) // validated by Manifest.Validate
	return h
}
