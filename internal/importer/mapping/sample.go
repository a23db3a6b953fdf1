package mapping

import (
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// SampleRows is the maximum number of rows in a Sample.
const SampleRows = 1000

// Sample is the beginning of a file: the names of its columns, and the values of
// its first rows. The meaning of a column is determined by its name and, where the
// name leaves a choice, by its values.
type Sample struct {
	Names  []string
	Rows   int
	values [][]tabular.Cell // by column; without absent cells
}

// NewSample reads the first rows of a source, up to SampleRows. The source must
// be at its beginning and bound by Sampled to columns with these names.
func NewSample(s tabular.Source, names []string) (Sample, error) {
	out := Sample{Names: names, values: make([][]tabular.Cell, len(names))}
	rec := &tabular.Record{Cells: make([]tabular.Cell, len(names))}
	for range SampleRows {
		err := s.Next(rec)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			// The error is reported when the file is read as a whole.
			return out, nil //nolint:nilerr // see above
		}
		if rec.Bad != "" {
			continue
		}
		out.Rows++
		for i, c := range rec.Cells {
			if c.Kind != tabular.CellAbsent && (c.Kind != tabular.CellText || !recsys.MissingWord(c.Text)) {
				out.values[i] = append(out.values[i], c)
			}
		}
	}
	return out, nil
}

// Sampled returns the columns of a source to bind for NewSample: all of them but
// those within arrays, each element of which would be a row.
func Sampled(names []string) []tabular.Column {
	var all []tabular.Column
	for i, n := range names {
		if !strings.Contains(n, "[].") {
			all = append(all, tabular.Column{Cell: i, Index: i, Name: n, Sampled: true})
		}
	}
	return all
}

// Example returns the first value of a column that is not absent.
func (s Sample) Example(column int) string {
	if column >= len(s.values) || len(s.values[column]) == 0 {
		return ""
	}
	c := s.values[column][0]
	if c.Kind == tabular.CellList {
		return strings.Join(c.List, ", ")
	}
	return c.String()
}

// share returns which share of a column's values is as required, and whether the
// column has values.
func (s Sample) share(column int, is func(tabular.Cell) bool) (float64, bool) {
	if column >= len(s.values) || len(s.values[column]) == 0 {
		return 0, false
	}
	n := 0
	for _, c := range s.values[column] {
		if is(c) {
			n++
		}
	}
	return float64(n) / float64(len(s.values[column])), true
}

// fits reports whether the values of a column can be those of a field. A column
// without values fits.
func (s Sample) fits(f Field, column int) bool {
	var is func(tabular.Cell) bool
	switch f {
	case Time:
		is = func(c tabular.Cell) bool { return isTime(c) || isClock(c) } // a time of day is not to be ignored silently
	case Value:
		is = isNumeric
	case User, Item:
		_, ok := s.share(column, func(tabular.Cell) bool { return true })
		return ok || s.Rows == 0
	default:
		return true
	}
	share, ok := s.share(column, is)
	return share >= 0.5 || !ok && s.Rows == 0
}

func isTime(c tabular.Cell) bool {
	if c.Kind == tabular.CellTime {
		return true
	}
	_, err := tabular.ParseMicros(c.Text)
	return c.Kind == tabular.CellText && (err == nil || isDate.MatchString(c.Text))
}

// isDate matches a date whose day and month can be exchanged: it is a time, also if
// only a flag can say which.
var isDate = regexp.MustCompile(`^\s*[0-9]{1,2}[/.-][0-9]{1,2}[/.-]([0-9]{2}|[0-9]{4})\b`)

// isClock reports whether a value is a time of day, such as 10:20.
func isClock(c tabular.Cell) bool {
	i := strings.IndexByte(c.Text, ':')
	if c.Kind != tabular.CellText || i < 1 || i > 2 {
		return false
	}
	hour, err := strconv.Atoi(c.Text[:i])
	return err == nil && hour >= 0 && hour < 24
}

func isNumeric(c tabular.Cell) bool {
	v, err := strconv.ParseFloat(strings.TrimSpace(c.Text), 64)
	return c.Kind == tabular.CellText && err == nil && !math.IsNaN(v)
}

// earliestGuess is the earliest time that an unnamed column of times may have.
var earliestGuess = time.Date(1995, 1, 1, 0, 0, 0, 0, time.UTC)

// looksLikeTimes reports whether a column has times, by its values: typed times,
// dates, or numbers of seconds or a smaller unit since 1970, none of them before
// 1995 or later than a day after now.
func (s Sample) looksLikeTimes(column int, now time.Time) bool {
	from, to := earliestGuess.UnixMicro(), now.Add(future).UnixMicro()
	share, ok := s.share(column, func(c tabular.Cell) bool {
		if c.Kind == tabular.CellTime {
			return c.Time >= from && c.Time <= to
		}
		if c.Kind != tabular.CellText {
			return false
		}
		at, err := tabular.ParseMicros(c.Text)
		return err == nil && at >= from && at <= to || err != nil && isDate.MatchString(c.Text)
	})
	return ok && share >= 0.95
}

// repeats reports whether a value of a column occurs more than once.
func (s Sample) repeats(column int) bool {
	if column >= len(s.values) {
		return false
	}
	seen := map[string]bool{}
	for _, c := range s.values[column] {
		if seen[c.String()] {
			return true
		}
		seen[c.String()] = true
	}
	return false
}

// wholeFloats returns how many values of a column are whole numbers written as
// floats, such as 101.0, and how many are anything else.
func (s Sample) wholeFloats(column int) (floats, others int) {
	if column < 0 || column >= len(s.values) {
		return 0, 0
	}
	for _, c := range s.values[column] {
		if _, ok := recsys.WholeFloat(c.Text); ok {
			floats++
		} else {
			others++
		}
	}
	return floats, others
}
