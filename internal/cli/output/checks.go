package output

import (
	"fmt"
	"strconv"

	"github.com/recflow/recflow/internal/recsys"
)

// Checks returns the data checks that did not pass.
func Checks(checks []recsys.Check) Listing {
	l := Listing{Columns: []string{"rule", "severity", "count", "message"}}
	for _, c := range checks {
		if !c.Passed {
			l.Rows = append(l.Rows, []string{c.Rule, c.Severity, strconv.FormatInt(c.Count, 10), c.Message})
		}
	}
	return l
}

// PopularityWins returns a warning if popularity predicts the hold-out at least as well
// as the version, and otherwise an empty text.
func PopularityWins(m recsys.Metrics) string {
	const metric = "ndcg@100"
	version, found := m.Candidate[metric]
	popular, compared := m.Popularity[metric]
	if !found || !compared || version.Value > popular.Value {
		return ""
	}
	return fmt.Sprintf("POPULARITY IS NOT BEATEN: the same popular items for everyone reach %s %s, this version %s; personalizing gains nothing. "+
		"See the data checks, then `recflow interest check`", metric, Number(popular.Value), Number(version.Value))
}
