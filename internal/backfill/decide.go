package backfill

import "fmt"

// NoEvents is the reason of a slice that is skipped because its training would
// have nothing to read.
const NoEvents = "there are no events before its end"

// Earlier is what an earlier backfill made of a slice.
type Earlier struct {
	State, Backfill string
	Version         int64
	Gone            bool // it succeeded, and the version that is wanted of it is no longer there
}

// Decide says whether the slice is to run under the policy, and why. before is
// nil for one that no backfill came to an end with.
func (s *Slice) Decide(rerun string, before *Earlier) {
	s.State = Pending
	succeeded := before != nil && before.State == Succeeded
	switch {
	case rerun == RerunAll:
		s.Reason = "everything is to be run"
	case succeeded && before.Gone && rerun == RerunMissing:
		s.Reason = fmt.Sprintf("version %d of backfill %s is no longer there", before.Version, before.Backfill)
	case succeeded:
		s.State, s.Version = Skipped, before.Version
		s.Reason = fmt.Sprintf("version %d of backfill %s is this training already", before.Version, before.Backfill)
	case before != nil:
		s.Reason = fmt.Sprintf("it is %s in backfill %s", before.State, before.Backfill)
	case rerun == RerunFailed:
		s.State, s.Reason = Skipped, "it never failed"
	default:
		s.Reason = "it never ran"
	}
}
