package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
)

func gateListing(gates []recsys.GateResult) listing {
	l := listing{columns: []string{"gate", "result", "value", "threshold", "reason"}, json: gates}
	for _, g := range gates {
		reason := g.Reason
		if g.Accepted != "" {
			reason += "; accepted: " + g.Accepted
		}
		l.rows = append(l.rows, []string{g.Gate, gateText(g), number(g.Value), number(g.Threshold), reason})
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

func metricListing(m recsys.Metrics) listing {
	l := listing{columns: []string{"metric", "this_version", "popularity"}, json: m}
	for _, name := range slices.Sorted(maps.Keys(m.Candidate)) {
		popularity := ""
		if p, ok := m.Popularity[name]; ok {
			popularity = metric(p)
		}
		l.rows = append(l.rows, []string{name, metric(m.Candidate[name]), popularity})
	}
	return l
}

func metric(m recsys.Metric) string {
	if m.Low == m.High {
		return number(m.Value)
	}
	return fmt.Sprintf("%s (%s to %s)", number(m.Value), number(m.Low), number(m.High))
}

func checkListing(checks []recsys.Check) listing {
	l := listing{columns: []string{"rule", "severity", "count", "message"}}
	for _, c := range checks {
		if !c.Passed {
			l.rows = append(l.rows, []string{c.Rule, c.Severity, strconv.FormatInt(c.Count, 10), c.Message})
		}
	}
	return l
}

func flipListing(flips []vectorstore.Flip) listing {
	l := listing{columns: []string{"revision", "at", "kind", "instead_of", "actor", "reason"}, json: flips}
	for _, f := range flips {
		from := ""
		if f.FromVersion > 0 {
			from = strconv.FormatInt(f.FromVersion, 10)
		}
		l.rows = append(l.rows, []string{strconv.FormatInt(f.Revision, 10), stamp(f.At), f.Kind, from, f.Actor, f.Reason})
	}
	return l
}

// number writes a measured value: counts in full, shares with four digits,
// what is tiny with an exponent.
func number(x float64) string {
	switch {
	case x == math.Trunc(x) && math.Abs(x) < 1e15:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case math.Abs(x) < 1e-3 || math.Abs(x) >= 1e15:
		return strconv.FormatFloat(x, 'e', 1, 64)
	default:
		return strconv.FormatFloat(x, 'f', 4, 64)
	}
}
