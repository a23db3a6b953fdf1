package backfill

import "fmt"

// NoEvents is the reason of a window that is skipped because its training would
// have no events.
const NoEvents = "there are no events before its end"

// Earlier is the outcome of a window in an earlier backfill.
type Earlier struct {
	State, Backfill string
	Version         int64
	Gone            bool // it succeeded, and its version is needed and was dropped
}

// Decide returns whether to run the window under the policy, and the reason.
// before is nil if no earlier backfill ran the window to an end.
func (s *Window) Decide(rerun string, before *Earlier) {
	s.State = Pending
	succeeded := before != nil && before.State == Succeeded
	switch {
	case rerun == RerunAll:
		s.Reason = "the policy is to run everything"
	case succeeded && before.Gone && rerun == RerunMissing:
		s.Reason = fmt.Sprintf("version %d of backfill %s was dropped", before.Version, before.Backfill)
	case succeeded:
		s.State, s.Version = Skipped, before.Version
		s.Reason = fmt.Sprintf("already trained as version %d of backfill %s", before.Version, before.Backfill)
	case before != nil:
		s.Reason = fmt.Sprintf("%s in backfill %s", before.State, before.Backfill)
	case rerun == RerunFailed:
		s.State, s.Reason = Skipped, "it never failed"
	default:
		s.Reason = "it never ran"
	}
}
