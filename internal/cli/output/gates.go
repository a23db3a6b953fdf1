package output

import (
	"fmt"
	"maps"
	"slices"

	"github.com/recflow/recflow/internal/recsys"
)

// Gates returns the results of a version's gates.
func Gates(gates []recsys.GateResult) Listing {
	l := Listing{Columns: []string{"gate", "result", "value", "threshold", "reason"}, JSON: gates}
	for _, g := range gates {
		reason := g.Reason
		if g.Accepted != "" {
			reason += "; accepted: " + g.Accepted
		}
		l.Rows = append(l.Rows, []string{g.Gate, gateText(g), Number(g.Value), Number(g.Threshold), reason})
	}
	return l
}

func gateText(g recsys.GateResult) string {
	switch {
	case g.Refuses():
		return "✗ refused"
	case !g.Passed:
		return "! accepted"
	case g.Warning:
		return "! warning"
	default:
		return "✓ passed"
	}
}

// Metrics returns the metrics of a version next to those of the baselines, for items
// that are new to the user and then for all next items.
func Metrics(m recsys.Metrics) Listing {
	l := Listing{Columns: []string{"metric", "this_version", "popularity", "item_knn"}, JSON: m}
	add := func(suffix string, candidate, popularity, knn map[string]recsys.Metric) {
		for _, name := range slices.Sorted(maps.Keys(candidate)) {
			row := []string{name + suffix}
			for _, of := range []map[string]recsys.Metric{candidate, popularity, knn} {
				text := ""
				if x, ok := of[name]; ok {
					text = metric(x)
				}
				row = append(row, text)
			}
			l.Rows = append(l.Rows, row)
		}
	}
	add("", m.Candidate, m.Popularity, m.ItemKNN)
	add(", all items", m.All["candidate"], m.All["popularity"], m.All["item_knn"])
	return l
}

// Similar returns the title and the values of the comparison by which the β of
// similar items was chosen: nothing without one.
func Similar(s *recsys.Similar) (title string, l Listing) {
	l = Listing{Columns: []string{"beta", "chosen", "stratified_recall", "recall", "category_agreement"}, JSON: s}
	if s == nil {
		return "", l
	}
	for _, g := range s.Grid {
		chosen, agreement := "", ""
		if g.Beta == s.Beta {
			chosen = "✓"
		}
		if g.CategoryAgreement != nil {
			agreement = fmt.Sprintf("%.3g", *g.CategoryAgreement)
		}
		l.Rows = append(l.Rows, []string{fmt.Sprint(g.Beta), chosen, fmt.Sprintf("%.3g", g.StratifiedRecall), fmt.Sprintf("%.3g", g.Recall), agreement})
	}
	return fmt.Sprintf("similar items: β %v, by the first 20 of %d items of %d hold-out users", s.Beta, s.Queries, s.Users), l
}

func metric(m recsys.Metric) string {
	if m.Low == m.High {
		return Number(m.Value)
	}
	return fmt.Sprintf("%s (%s to %s)", Number(m.Value), Number(m.Low), Number(m.High))
}
