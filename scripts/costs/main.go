// Command costs prints docs/costs.md: the monthly cost of recflow on AWS at three
// loads, compared with Amazon Personalize at the same loads. Prices and their
// sources are in prices.go, loads and assumptions in load.go, formulas in
// components.go. A test checks that the document is up to date.
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
	"unicode/utf8"
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
	text(out, introduction, checked, share(official), share(secondary), share(unverified))
	loadTable(out)
	fmt.Fprint(out, billIntroduction)
	billTable(out)
	fmt.Fprintln(out)
	text(out, comparison, dollars(idle(loads[0])), dollars(personalizeRequests(hours*3600)), verdicts())
	text(out, formulasIntroduction)
	formulaTable(out)
	priceTable(out)
	return out.Flush()
}

const introduction = `# Costs

**Estimated**, by ` + "`go run ./scripts/costs > docs/costs.md`" + `: not measured on a bill. us-east-1, US dollars per month, list prices without taxes, discounts
and free tiers, as of %s. %s of the prices are from the seller's pages, %s from another site's dated page, and %s are unverified
and marked. Check the pages before you decide; to correct a price change one line in ` + "`scripts/costs/prices.go`" + `.

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
	line("events per month", func(l load) string { return count(l.events) })
	line("list requests per month", func(l load) string { return count(l.requests) })
	line("either per second, at three times the mean", func(l load) string { return fmt.Sprintf("%.0f", peak*perSecond(l.events)) })
	line("users", func(l load) string { return count(l.users) })
	line("items", func(l load) string { return count(l.items) })
	line("user–item pairs per training", func(l load) string { return count(l.pairs) })
	line("trainings per month", func(l load) string { return count(l.trainings) })
	line("minutes per training", func(l load) string { return fmt.Sprintf("%.0f", l.glueSeconds()/60) })
	line("Glue workers", func(l load) string { return count(l.workers) })
	line("database vCPUs needed", func(l load) string { return fmt.Sprintf("%.1f", max(0.1, l.databaseCPUs())) })
	line("database instance", func(l load) string { return instanceName(l) + map[bool]string{true: ", Multi-AZ"}[l.zones > 1] })
	line("GB for two versions in memory", func(l load) string { return fmt.Sprintf("%.2f", l.searchMemory()) })
	line("API tasks (0.5 vCPU)", func(l load) string { return count(l.apiTasks()) })
}

// instanceName returns the instance class from the name of its price.
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
	header := []string{"dollars per month"}
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
recflow has a minimum cost: the small sizes cost %s without any event, request or training. Personalize's minimum is %s: a campaign is billed for at least one
request per second. Above the minimum Personalize bills per request, recflow's cost is its infrastructure.

%s

The comparison excludes costs that only one side has. For recflow: operations, and a self-hosted Temporal instead of Temporal Cloud (which needs a database and
some containers). For Personalize: a second campaign for similar items (another minimum), a list for every event without a request, and
trainings that take longer than ours; its training hours here are those of *our* job, a lower bound. Personalize also needs no daily training: with
one a week its cost hardly changes, because it consists almost entirely of requests. Data transfer out of AWS is excluded on both sides.

To lower recflow's minimum cost: a NAT gateway instead of interface endpoints (` + "`network.endpoints = false`" + `), a provisioned stream of one shard, or an existing Temporal.
`

// idle returns the cost of a load's sizes without any traffic.
func idle(l load) float64 {
	l.events, l.requests, l.trainings = 0, 0, 0
	return total(recflow, l)
}

// verdicts returns which of the two is cheaper at each load.
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

Measured ([benchmarks](benchmarks.md)) on a machine outside of AWS: 8.7 ms per list in the function, 1,309 events and 1,749 requests per second on two cores that run
everything, 156 core-µs per pair of a training. Assumed: a vCPU performs like one of those cores, the peak is three times the mean, an invocation has ten events,
and the sizes of an event (300 bytes), a list (1,600 bytes) and a log line; ` + "`scripts/costs/load.go`" + ` has all assumptions.
Items are searched in memory, and function and API have room for two versions of rank 64. The database instances of the larger loads have more processors than they need, for the memory that comes with them.

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

// share counts the prices for which the condition is true.
func share(t trust) string {
	n := 0
	for _, p := range prices {
		if p.trust == t {
			n++
		}
	}
	return strconv.Itoa(n)
}

// text writes formatted paragraphs, wrapped at 120 characters and each followed by
// an empty line. Headings and lists stay as they are.
func text(w io.Writer, format string, args ...any) {
	for paragraph := range strings.SplitSeq(strings.TrimSpace(fmt.Sprintf(format, args...)), "\n\n") {
		if paragraph[0] == '#' || paragraph[0] == '-' {
			fmt.Fprint(w, paragraph, "\n\n")
			continue
		}
		column := 0
		for word := range strings.FieldsSeq(paragraph) {
			separator := " "
			length := utf8.RuneCountInString(word)
			if column == 0 {
				separator = ""
			} else if column+1+length > 120 {
				separator, column = "\n", -1
			}
			fmt.Fprint(w, separator, word)
			column += len(separator) + length
		}
		fmt.Fprint(w, "\n\n")
	}
}

func row(w io.Writer, cells ...string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }

// dollars rounds to whole dollars: more digits would suggest more precision.
func dollars(v float64) string {
	if v > 0 && v < 0.5 {
		return "under 1"
	}
	return count(v)
}

// count formats a rounded number with thousands separators.
func count(v float64) string {
	digits := strconv.FormatInt(int64(math.Round(v)), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
