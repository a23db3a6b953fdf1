// Command costs prints docs/costs.md: the monthly cost of recflow on AWS at three
// loads, compared with Amazon Personalize. Prices and their sources are in
// prices.go, loads and assumptions in load.go, formulas in components.go. A test
// compares the document with the output.
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

const introduction = `# Costs

These costs are **computed**, by ` + "`go run ./scripts/costs > docs/costs.md`" + `, not read from a bill. They are US dollars a
month in us-east-1, at list prices looked up on %s, without taxes, discounts and free tiers. %s prices
were seen on a page of the seller, %s on a dated page of another site, and %s are from memory; each is marked. Check
the pricing pages before you decide. To correct a price, change its line in ` + "`scripts/costs/prices.go`" + `.

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
	line("each of these a second, at three times the mean", func(l load) string { return fmt.Sprintf("%.0f", peak*perSecond(l.events)) })
	line("users", func(l load) string { return count(l.users) })
	line("items", func(l load) string { return count(l.items) })
	line("user–item pairs of a training", func(l load) string { return count(l.pairs) })
	line("trainings a month", func(l load) string { return count(l.trainings) })
	line("minutes of a training", func(l load) string { return fmt.Sprintf("%.0f", l.glueSeconds()/60) })
	line("Glue workers", func(l load) string { return count(l.workers) })
	line("vCPUs needed by the database", func(l load) string { return fmt.Sprintf("%.1f", l.databaseCPUs()) })
	line("database instance", func(l load) string { return instanceName(l) + map[bool]string{true: ", Multi-AZ"}[l.zones > 1] })
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
recflow has a fixed cost: the small sizes cost %s without any event, request or training. Personalize's is %s:
a campaign provisions at least one request a second. Above that, Personalize charges for each request, recflow for the
machines that serve it.

%s

The comparison excludes what the two do not share. For recflow: the work of running it, and a self-hosted Temporal (a
database and some containers) instead of Temporal Cloud. For Personalize: a second campaign for similar items (another
minimum), a list for every event without a request, and trainings that take longer than ours: its training hours here
are those of *our* job, the least possible. Personalize also does not need daily trainings; with one a week its bill
hardly changes, because requests are nearly all of it. Neither side includes traffic out of AWS.

To lower recflow's fixed cost, use a NAT gateway without interface endpoints (` + "`network.endpoints = false`" + `), a
provisioned stream of one shard, or an existing Temporal.
`

// idle is what the sizes of a load cost when nothing happens.
func idle(l load) float64 {
	l.events, l.requests, l.trainings = 0, 0, 0
	return total(recflow, l)
}

// verdicts names the cheaper one for each load.
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

The [benchmarks](benchmarks.md) measured, outside AWS: 13.9 ms of a list in the function, 613 events and 128 requests a
second on two cores with everything on them, and 156 µs of a core for each pair of a training. Assumptions: a vCPU is as
fast as one of those cores, the peak is three times the mean, an invocation has ten events, and the bytes of an event
(300), a list (1,600) and a log line; ` + "`scripts/costs/load.go`" + ` has all of them. Searching a million items takes %.1f
times as long as searching the 63,417 items of those numbers, so such a catalog needs that much more of the database.

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
	row(w, "price", "dollars", "per", "source", "page", "date of the page")
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

// dollars rounds to whole dollars: the inputs are not more precise.
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
