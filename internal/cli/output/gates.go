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

// Metrics returns the metrics of a version next to those of the popularity
// baseline.
func Metrics(m recsys.Metrics) Listing {
	l := Listing{Columns: []string{"metric", "this_version", "popularity"}, JSON: m}
	for _, name := range slices.Sorted(maps.Keys(m.Candidate)) {
		popularity := ""
		if p, ok := m.Popularity[name]; ok {
			popularity = metric(p)
		}
		l.Rows = append(l.Rows, []string{name, metric(m.Candidate[name]), popularity})
	}
	return l
}

func metric(m recsys.Metric) string {
	if m.Low == m.High {
		return Number(m.Value)
	}
	return fmt.Sprintf("%s (%s to %s)", Number(m.Value), Number(m.Low), Number(m.High))
}
