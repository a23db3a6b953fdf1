// Command costs prints docs/costs.md: what recflow costs a month on AWS at three
// loads, beside Amazon Personalize at the same ones. Prices are in prices.go with
// where they come from, loads and guesses in load.go, formulas in components.go.
// A test holds the document against it.
//
//	go run ./scripts/costs > docs/costs.md
package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
)

func main() {
	if err := document(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// document writes the whole page.
func document(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, introduction, checked, share(official), share(secondary), share(unverified))
	loadTable(out)
	fmt.Fprint(out, billIntroduction)
	billTable(out)
	fmt.Fprintf(out, comparison, dollars(idle(loads[0])), dollars(personalizeRequests(hours*3600)), verdicts())
	fmt.Fprintf(out, formulasIntroduction, millionItems)
	formulaTable(out)
	priceTable(out)
	return out.Flush()
}

const introduction = `# What it costs

**Computed on paper**, by ` + "`go run ./scripts/costs > docs/costs.md`" + `: nothing here was read off a bill. us-east-1, US dollars a month, list prices without taxes, discounts
and free tiers, looked for on %s. Of the prices %s were seen on a page of the seller, %s on somebody else's dated page, and %s on none: those
are from memory and marked. Ask the pages before you decide anything; a correction is one line in ` + "`scripts/costs/prices.go`" + `.

## Three loads

`

func loadTable(w io.Writer) {
	header := []string{""}
	for _, l := range loads {
		header = append(header, l.name)
	}
	row(w, header...)
	row(w, "---", "---:", "---:", "---:")
	line := func(name string, value func(load) string) {
		cells := []string{name}
		for _, l := range loads {
			cells = append(cells, value(l))
		}
		row(w, cells...)
	}
	line("events a month", func(l load) string { return count(l.events) })
	line("requests for a list a month", func(l load) string { return count(l.requests) })
	line("of either a second, at three times the mean", func(l load) string { return fmt.Sprintf("%.0f", peak*perSecond(l.events)) })
	line("users", func(l load) string { return count(l.users) })
	line("items", func(l load) string { return count(l.items) })
	line("user–item pairs that a training reads", func(l load) string { return count(l.pairs) })
	line("trainings a month", func(l load) string { return count(l.trainings) })
	line("minutes of a training", func(l load) string { return fmt.Sprintf("%.0f", l.glueSeconds()/60) })
	line("Glue workers", func(l load) string { return count(l.workers) })
	line("vCPUs that the database needs", func(l load) string { return fmt.Sprintf("%.1f", l.databaseCPUs()) })
	line("its instance", func(l load) string { return instanceName(l) + map[bool]string{true: ", Multi-AZ"}[l.zones > 1] })
	line("API tasks of half a vCPU", func(l load) string { return count(l.apiTasks()) })
}

// instanceName is the class out of the name of its price.
func instanceName(l load) string {
	for word := range strings.FieldsSeq(l.instance.name) {
		if strings.HasPrefix(word, "db.") {
			return strings.TrimSuffix(word, ",")
		}
	}
	return l.instance.name
}

const billIntroduction = `
## The bill

`

func billTable(w io.Writer) {
	header := []string{"dollars a month"}
	for _, l := range loads {
		header = append(header, l.name)
	}
	row(w, header...)
	row(w, "---", "---:", "---:", "---:")
	bill := func(name, prefix string, components []component) {
		for _, c := range components {
			cells := []string{prefix + c.name}
			for _, l := range loads {
				cells = append(cells, dollars(c.cost(l)))
			}
			row(w, cells...)
		}
		cells := []string{"**" + name + "**"}
		for _, l := range loads {
			cells = append(cells, "**"+dollars(total(components, l))+"**")
		}
		row(w, cells...)
	}
	bill("recflow", "", recflow)
	bill("Amazon Personalize", "Personalize: ", personalize)
}

const comparison = `
recflow has a floor: the small sizes cost %s with no event, no request and no training at all. Personalize's floor is %s: a campaign keeps at least one
request a second, whether it comes or not. Above the floors Personalize pays for each request, recflow for the machines that answer it.

%s

The comparison leaves out what the two do not share. For recflow: the work of running it, and Temporal where it is not Temporal Cloud (a self-hosted one wants
a database and some containers of its own). For Personalize: a second campaign for similar items (another floor), a list for every event without a request, and
trainings that take longer than ours; its training hours here are those of *our* job, the least that could be. It needs no trainings every day, either: with
one a week its bill hardly changes, because requests are nearly all of it. Neither side has traffic out of AWS.

What lowers recflow's floor: no interface endpoints with a NAT gateway instead (` + "`network.endpoints = false`" + `), a provisioned stream of one shard, or a Temporal that runs already.
`

// idle is what the sizes of a load cost when nothing happens.
func idle(l load) float64 {
	l.events, l.requests, l.trainings = 0, 0, 0
	return total(recflow, l)
}

// verdicts says of each load which is cheaper.
func verdicts() string {
	var lines []string
	for _, l := range loads {
		ours, theirs := total(recflow, l), total(personalize, l)
		cheaper, ratio := "recflow", theirs/ours
		if theirs < ours {
			cheaper, ratio = "Personalize", ours/theirs
		}
		lines = append(lines, fmt.Sprintf("- **%s**: %s is cheaper, by a factor of %.1f.", l.name, cheaper, ratio))
	}
	return strings.Join(lines, "\n")
}

const formulasIntroduction = `
## Formulas

Measured, from [benchmarks](benchmarks.md), on a machine that is not AWS's: 13.9 ms of a list in the function, 613 events and 128 requests a second on two cores with everything on
them, 156 µs of a core for each pair of a training. That a vCPU does what one of those cores does is an assumption,
and so are the three-fold peak, ten events an invocation, and the bytes of an event (300), a list (1,600) and a log line; ` + "`scripts/costs/load.go`" + ` has them all. Searching a million items takes %.1f times as long as searching the 63,417 of
those numbers: so large a catalogue needs as much more of the database.

`

func formulaTable(w io.Writer) {
	row(w, "line", "formula")
	row(w, "---", "---")
	for _, c := range recflow {
		row(w, c.name, c.formula)
	}
	for _, c := range personalize {
		row(w, "Personalize: "+c.name, c.formula)
	}
	fmt.Fprint(w, "\n## Prices\n\n")
}

func priceTable(w io.Writer) {
	row(w, "price", "dollars", "a", "seen", "where", "page of")
	row(w, "---", "---:", "---", "---", "---", "---")
	for _, p := range prices {
		row(w, p.name, strconv.FormatFloat(p.dollar, 'g', 6, 64), p.unit, string(p.trust), p.source, p.dated)
	}
}

// share counts the prices of which this is true.
func share(t trust) string {
	n := 0
	for _, p := range prices {
		if p.trust == t {
			n++
		}
	}
	return strconv.Itoa(n)
}

func row(w io.Writer, cells ...string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }

// dollars rounds to whole dollars: more would look like knowledge.
func dollars(v float64) string {
	if v > 0 && v < 0.5 {
		return "under 1"
	}
	return count(v)
}

// count is a rounded number with thousands apart.
func count(v float64) string {
	digits := strconv.FormatInt(int64(math.Round(v)), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
