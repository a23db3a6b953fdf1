package backfill

import (
	"fmt"
	"time"
)

// IDLength is the length of the id of a backfill, in lower-case letters and
// digits: short enough to end the ids of its workflows.
const IDLength = 8

// EvaluationPrefix begins the workflow ids of the refreshes that let others train
// first, and of no others.
const EvaluationPrefix = "evaluate-"

// WorkflowID is the id of the workflow of a round of b, for example
// backfill-as_of-20240101-20250101-7k2mxq4c-r2.
func WorkflowID(b Backfill, round int) string {
	id := "backfill-" + b.Kind + "-" + Span(b.From, b.To) + "-" + b.ID
	if round > 1 {
		id += fmt.Sprintf("-r%d", round)
	}
	return id
}

// SliceWorkflowID is the id of the refresh that does the attempt of a slice of the
// backfill: refresh-all-20250109T0331Z-7k2mxq4c, or evaluate-20240108-7k2mxq4c-a2
// of an as_of, whose slices differ by their ends.
func SliceWorkflowID(kind, id string, s Slice) string {
	name := "refresh-" + Span(s.From, s.To) + "-" + id
	if kind == AsOf {
		name = EvaluationPrefix + stamp(s.To) + "-" + id
	}
	if s.Attempt > 1 {
		name += fmt.Sprintf("-a%d", s.Attempt)
	}
	return name
}

// Span is a range of time as it is written inside an id; a zero from is "all".
func Span(from, to time.Time) string {
	if from.IsZero() {
		return "all-" + stamp(to)
	}
	return stamp(from) + "-" + stamp(to)
}

// stamp is a time as it is written inside an id: sortable, free of colons, and as
// short as it can be without losing a part.
func stamp(t time.Time) string {
	t = t.UTC()
	switch midnight := t.Truncate(24 * time.Hour); {
	case t.Equal(midnight):
		return t.Format("20060102")
	case t.Equal(t.Truncate(time.Minute)):
		return t.Format("20060102T1504Z")
	default:
		return t.Format("20060102T150405.999999999Z")
	}
}
