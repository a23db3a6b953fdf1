package backfill

import (
	"fmt"
	"time"
)

// IDLength is the length of a backfill's id, in lower-case letters and digits:
// short, because its workflow ids end in it.
const IDLength = 8

// EvaluationPrefix begins the workflow ids of refreshes that let others train
// first, and of no others.
const EvaluationPrefix = "evaluate-"

// WorkflowID returns the id of the workflow of a round of b, for example
// backfill-as_of-20240101-20250101-7k2mxq4c-r2, or backfill-lists-v12-7k2mxq4c.
func WorkflowID(b Backfill, round int) string {
	subject := Span(b.From, b.To)
	if b.Kind == Lists {
		subject = fmt.Sprintf("v%d", b.Version)
	}
	id := "backfill-" + b.Kind + "-" + subject + "-" + b.ID
	if round > 1 {
		id += fmt.Sprintf("-r%d", round)
	}
	return id
}

// WindowWorkflowID returns the id of the refresh that runs the attempt of a
// window: refresh-all-20250109T0331Z-7k2mxq4c, or evaluate-20240108-7k2mxq4c-a2
// for an as_of, whose windows differ by their ends.
func WindowWorkflowID(kind, id string, s Window) string {
	name := "refresh-" + Span(s.From, s.To) + "-" + id
	if kind == AsOf {
		name = EvaluationPrefix + stamp(s.To) + "-" + id
	}
	if s.Attempt > 1 {
		name += fmt.Sprintf("-a%d", s.Attempt)
	}
	return name
}

// Span formats a range of time for an id; a zero from is "all".
func Span(from, to time.Time) string {
	if from.IsZero() {
		return "all-" + stamp(to)
	}
	return stamp(from) + "-" + stamp(to)
}

// stamp formats a time for an id: sortable, without colons, and without
// trailing zero parts.
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
