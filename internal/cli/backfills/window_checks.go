package backfills

import (
	"context"
	"fmt"
	"strconv"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
)

// checkedWindows is the maximum number of windows whose data checks are read: the last
// ones.
const checkedWindows = 50

// printWindowChecks prints the data checks that did not pass in the trainings of a
// backfill, each with the number of windows and the message of the last of them.
func printWindowChecks(ctx context.Context, a *app.App, api *apiclient.Client, b apiclient.Backfill) {
	last := map[string]recsys.Check{}
	windows := map[string]int{}
	var rules []string
	for _, w := range b.Windows[max(0, len(b.Windows)-checkedWindows):] {
		if w.Version == 0 {
			continue
		}
		v, _, err := api.Version(ctx, w.Version)
		if err != nil {
			fmt.Fprintf(a.Err, "warning: cannot read the data checks of version %d: %v\n", w.Version, err)
			break
		}
		for _, c := range v.Checks {
			if c.Passed {
				continue
			}
			if windows[c.Rule] == 0 {
				rules = append(rules, c.Rule)
			}
			last[c.Rule] = c
			windows[c.Rule]++
		}
	}
	l := output.Listing{Columns: []string{"rule", "severity", "windows", "message_of_the_last"}}
	for _, rule := range rules {
		c := last[rule]
		l.Rows = append(l.Rows, []string{rule, c.Severity, strconv.Itoa(windows[rule]), c.Message})
	}
	switch {
	case len(l.Rows) == 0:
	case a.Output == "table":
		fmt.Fprintln(a.Out)
		a.PrintSection("data checks that did not pass", l)
	default:
		for _, row := range l.Rows {
			fmt.Fprintf(a.Err, "warning: data check %s did not pass in %s windows: %s\n", row[0], row[2], row[3])
		}
	}
}
