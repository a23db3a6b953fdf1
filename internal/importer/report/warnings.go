package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/recflow/recflow/internal/recsys"
)

// Warning is something in a file that is likely a mistake, or that a training does
// not use as one may expect.
type Warning struct {
	Code    string `json:"code"`
	Message string `json:"message"` // a sentence, with what to do
}

// The codes of warnings, most harmful first.
const (
	NothingCounts     = "nothing_counts"     // no event has a weight
	UnmatchedItems    = "unmatched_items"    // items are unknown to earlier imports
	UnmatchedUsers    = "unmatched_users"    // users are unknown to earlier imports
	PaddedIDs         = "padded_ids"         // ids differ from others in leading zeros only
	UnweightedTypes   = "unweighted_types"   // events of a type have no weight
	RatingScale       = "rating_scale"       // ratings are not from 1 to 5
	NoTimes           = "no_times"           // events have the time of the import
	BusyUser          = "busy_user"          // one user has a large share of the events
	ConflictingIDs    = "conflicting_ids"    // an event id has several contents
	RepeatedEvents    = "repeated_events"    // rows repeat
	CutImport         = "cut_import"         // an earlier file ended inside a row
	NegativeValues    = "negative_values"    // returns
	UnusedValues      = "unused_values"      // values that make no difference
	RejectedRows      = "rejected_rows"      // rows were rejected
	NoRows            = "no_rows"            // the file has no rows
	SeveralCategories = "several_categories" // items have more than one category
)

// low is the share of something from which on it is worth a warning.
const low = 0.01

// Warn returns the warnings about the rows so far, most harmful first. The share of
// matches comes from r.
func (t *Tally) Warn(r *Report) []Warning {
	w := []Warning{}
	add := func(code, format string, args ...any) {
		w = append(w, Warning{Code: code, Message: fmt.Sprintf(format, args...)})
	}
	t.warnMatches(r, add)
	t.warnPadding(add)
	t.warnTypes(r, add)
	if r.NoTime > 0 {
		add(NoTimes, "%s of the events have no time and get that of the file's first import: their order is lost, and they never look old; name the column with --time-column", percent(r.NoTime))
	}
	t.warnBusyUser(r, add)
	for _, x := range r.Types {
		if x.High != nil && *x.High >= 20 && !recsys.SameType(x.Type, recsys.Rating) {
			add(UnusedValues, "values of type %.40q go from %g to %g and make no difference by default; set value_use in the interest (recflow refresh --interest FILE)", x.Type, *x.Low, *x.High)
		}
	}
	if n, _ := t.Conflicts(); n > 0 {
		add(ConflictingIDs, "%d rows have the event id of another row and differ from it: a training uses one row of an id", n)
	}
	if n := r.RepeatedContents - r.RepeatedIDs; t.events > 0 && float64(n) > low*float64(t.events) {
		add(RepeatedEvents, "%s of the rows repeat another one (same user, item, type, time and value) and count again; if they are copies, use --ids content", percent(float64(n)/float64(t.events)))
	}
	return w
}

type adder func(code, format string, args ...any)

func (t *Tally) warnMatches(r *Report, add adder) {
	m := r.Matches
	if m == nil {
		return
	}
	if m.PaddedUsers > low || m.PaddedItems > low {
		add(PaddedIDs, "%s of the users and %s of the items are known to earlier imports with another number of leading zeros: a program has changed the ids", percent(m.PaddedUsers), percent(m.PaddedItems))
	}
	if m.Items != nil && *m.Items < 0.1 {
		add(UnmatchedItems, "earlier imports know %s of the items: check that the item column has the same ids as theirs", percent(*m.Items))
	}
	if m.Users != nil && *m.Users < low && m.Items != nil && *m.Items < 0.5 {
		add(UnmatchedUsers, "earlier imports know %s of the users: check that the user column has the same ids as theirs", percent(*m.Users))
	}
}

func (t *Tally) warnPadding(add adder) {
	both := func(e *ids) int64 {
		if e.plain > 0 && e.padded > 0 {
			return 1
		}
		return 0
	}
	if users, items := t.all().users.sum(both), t.all().items.sum(both); users+items > 0 {
		add(PaddedIDs, "%d users and %d items are written with and without leading zeros (007 and 7), which are different ids", users, items)
	}
}

func (t *Tally) warnTypes(r *Report, add adder) {
	if t.events == 0 {
		return
	}
	var unweighted []string
	var lost int64
	for _, x := range r.Types {
		switch {
		case recsys.SameType(x.Type, recsys.Rating):
			t.warnRatings(x, add)
		case x.Weight == 0 && !recsys.IsImpression(x.Type):
			if lost += x.Events; len(unweighted) < 5 {
				unweighted = append(unweighted, fmt.Sprintf("%.40q", x.Type))
			}
		}
		if x.Negative > 0 && !recsys.SameType(x.Type, recsys.Rating) {
			add(NegativeValues, "%s of the events of type %.40q have a negative value (down to %g): they take back interest, as a return does", percent(float64(x.Negative)/float64(x.Events)), x.Type, *x.Low)
		}
	}
	advice := "set their weight in the interest of the training (recflow refresh --interest FILE), or give them the name of a type with a weight in a recipe (--recipe)"
	if lost > 0 {
		add(UnweightedTypes, "events of type %s weigh nothing by default, %s of all: %s", strings.Join(unweighted, ", "), percent(float64(lost)/float64(t.events)), advice)
	}
	if r.Counting == 0 {
		add(NothingCounts, "no event counts under the default interest: a training of this file alone would learn nothing")
	}
}

// warnRatings warns about ratings whose scale is not that of the default threshold.
func (t *Tally) warnRatings(x Type, add adder) {
	threshold := t.interest.RatingThreshold
	if x.Low == nil {
		return
	}
	share := percent(float64(x.Counting) / float64(x.Events))
	if *x.Low < 0 {
		add(RatingScale, "ratings go down to %g, which often stands for \"not rated\": such a row only marks the item as seen", *x.Low)
	}
	switch {
	case *x.High > 5:
		add(RatingScale, "ratings go from %g to %g, but the default threshold of %g is one of 1 to 5 stars: %s of them count as a like; set rating_threshold in the interest (recflow refresh --interest FILE)", *x.Low, *x.High, threshold, share)
	case *x.High < threshold:
		add(RatingScale, "ratings go from %g to %g, so none reaches the default threshold of %g; set rating_threshold in the interest (recflow refresh --interest FILE)", *x.Low, *x.High, threshold)
	}
}

// warnBusyUser warns about a user with more than a tenth of at least a thousand
// events: the id of everyone who has none, or a test.
func (t *Tally) warnBusyUser(r *Report, add adder) {
	if t.events < 1000 || r.Users < 20 {
		return
	}
	var most int64
	for _, e := range t.all().users.entries {
		most = max(most, e.value.plain+e.value.padded)
	}
	if share := float64(most) / float64(t.events); share > 0.1 {
		add(BusyUser, "one user has %s of the events: check that the id is not one for all users without one", percent(share))
	}
}

// percent formats a share, with a digit after the point below 10 %.
func percent(share float64) string {
	switch p := 100 * share; {
	case p == 0:
		return "0 %"
	case p < 0.1:
		return "less than 0.1 %"
	case p < 10 || p > 90 && p < 100:
		return fmt.Sprintf("%.1f %%", p)
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

// order has all codes, most harmful first.
var order = []string{
	NoRows, NothingCounts, PaddedIDs, UnmatchedItems, UnmatchedUsers, RejectedRows, NoTimes, UnweightedTypes, RatingScale, ConflictingIDs,
	CutImport, BusyUser, RepeatedEvents, NegativeValues, UnusedValues, SeveralCategories,
}

// Sort sorts warnings by their harm.
func Sort(w []Warning) {
	slices.SortStableFunc(w, func(a, b Warning) int {
		return cmp.Compare(slices.Index(order, a.Code), slices.Index(order, b.Code))
	})
}
