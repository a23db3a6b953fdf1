package tabular

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// csvSource reads values separated by commas (or ; tab |, whichever the header
// has most) as in RFC 4180, and tolerates what other programs write: a quote
// inside an unquoted field is a character, blank lines and lines before the header
// are skipped, spaces may precede a quote, and a backslash may escape a quote.
//
// A quote that is not closed properly rejects only its own line: encoding/csv
// would consume the rows up to the next quote. So a record that spans lines is
// accepted only if it has as many fields as the header; otherwise its first
// line is rejected and reading continues at the second.
type csvSource struct {
	lineSource
	comma   byte
	skipped int // lines before the header that are not blank
	header  []string
	bound   []Column

	// Whether a backslash escapes a quote is decided by the first record that
	// is a record only one way, for the rest of the file.
	escapes     escapes
	escapesFrom int64 // line of that record

	fields  []string // fields of the last record
	quoted  []bool   // which of them are quoted; empty: none
	scratch []byte   // unquoted text of a record with quotes
	ends    []int    // end of each field in scratch
}

// escapes is how a quote in a quoted field is written.
type escapes int

const (
	undecided escapes = iota // as two quotes, unless only a backslash makes it a record
	doubled                  // as two quotes
	backslash                // after a backslash, as Spark writes it
)

func newCSV(text textStream) (*csvSource, error) {
	s := &csvSource{lineSource: newLineSource(text)}
	for len(s.w.rest()) < examined && s.w.fill() {
	}
	line, err := s.skipToHeader()
	if err != nil {
		return nil, fmt.Errorf("line %d: read the header: %w", s.w.line, err)
	}
	if bytes.IndexByte(line, '\r') >= 0 {
		return nil, errors.New("has a carriage return in its header; end the lines with line feeds")
	}
	if s.comma == 0 {
		s.comma, _ = separator(line)
	}
	var size, lines int
	var why string
	for _, m := range s.modes(line) {
		if size, lines, why = s.parse(m); why == "" {
			break
		}
	}
	if why != "" {
		return nil, fmt.Errorf("line %d: the header %s", s.w.line, why)
	}
	if lines == 0 {
		return nil, fmt.Errorf("line %d: %w", s.w.line, s.w.err)
	}
	s.w.advance(size, lines)
	for _, f := range s.fields {
		s.header = append(s.header, strings.TrimSpace(f))
	}
	return s, nil
}

// skipToHeader moves past what precedes the header, and returns its first line:
// blank lines, comments, the line sep=; of a spreadsheet, and a title.
func (s *csvSource) skipToHeader() (line []byte, err error) {
	titled := titleLines(s.w.rest())
	for n := 0; ; n++ {
		line, size, err := s.w.physical()
		if err != nil {
			return nil, err
		}
		blank := len(bytes.TrimSpace(line)) == 0
		given := givenSeparator(line)
		if given != 0 {
			s.comma = given
		}
		last := size == len(s.w.rest()) && s.w.err != nil
		if !blank && given == 0 && n >= titled && (line[0] != '#' || last) {
			return line, nil
		}
		if !blank {
			s.skipped++
		}
		s.w.advance(size, 1)
	}
}

// givenSeparator returns the separator that a spreadsheet's first line names, such
// as sep=; or 0.
func givenSeparator(line []byte) byte {
	line = bytes.Trim(line, `"`)
	if len(line) == 5 && strings.EqualFold(string(line[:4]), "sep=") {
		return line[4]
	}
	return 0
}

// titleLines returns the number of lines before the header if a text begins with a
// title: a line of several words without a separator, and then at least two lines
// with the same separators.
func titleLines(text []byte) int {
	const most = 20
	lines := bytes.SplitN(text, []byte("\n"), most+2)
	if len(lines) == 0 || bytes.IndexByte(bytes.TrimSpace(lines[0]), ' ') < 0 {
		return 0
	}
	if _, n := separator(lines[0]); n > 0 {
		return 0
	}
	for i := 1; i+1 < len(lines) && i <= most; i++ {
		c, n := separator(lines[i])
		next, m := separator(lines[i+1])
		if n > 0 && c == next && n == m {
			return i
		}
	}
	return 0
}

// separator returns the most frequent separator of a line outside quotes, or a
// comma, and how often it occurs.
func separator(line []byte) (byte, int) {
	var count [256]int
	quoted := false
	for _, c := range line {
		if c == '"' {
			quoted = !quoted
		} else if !quoted {
			count[c]++
		}
	}
	best := byte(',')
	for _, c := range []byte{';', '\t', '|'} {
		if count[c] > count[best] {
			best = c
		}
	}
	return best, count[best]
}

func (s *csvSource) Columns() []string     { return s.header }
func (s *csvSource) Bind(c []Column) error { s.bound = present(c); return nil }

func (s *csvSource) Dialect() []string {
	d := []string{"separator " + map[byte]string{'\t': "tab"}[s.comma]}
	if s.comma != '\t' {
		d[0] = fmt.Sprintf("separator %q", string(s.comma))
	}
	if s.escapes == backslash {
		d = append(d, fmt.Sprintf("backslash escapes (line %d)", s.escapesFrom))
	}
	if s.skipped > 0 {
		d = append(d, fmt.Sprintf("lines before the header: %d", s.skipped))
	}
	return append(d, s.lineSource.Dialect()...)
}

func (s *csvSource) Next(r *Record) error {
	line, size, err := s.next(r, empty)
	switch {
	case err != nil || r.Bad != "":
		return err
	case bytes.IndexByte(line, '"') < 0:
		s.split(string(line))
		s.w.advance(size, 1)
		r.Bad = s.miscount()
	default:
		if err := s.nextQuoted(r, line); err != nil {
			return err
		}
	}
	if r.Bad == "" {
		s.fillCells(r)
	}
	return nil
}

// split splits a line without quotes into fields.
func (s *csvSource) split(line string) {
	s.fields, s.quoted = s.fields[:0], s.quoted[:0]
	for {
		i := strings.IndexByte(line, s.comma)
		if i < 0 {
			s.fields = append(s.fields, line)
			return
		}
		s.fields = append(s.fields, line[:i])
		line = line[i+1:]
	}
}

func (s *csvSource) miscount() string {
	if len(s.fields) == len(s.header) {
		return ""
	}
	return fmt.Sprintf("has %d columns where the header has %d", len(s.fields), len(s.header))
}

// fillCells fills the cells of the bound columns. Without quotes, \N is null, as
// in the exports of MySQL and Postgres, and spaces around an id, a type, a time or
// a number are padding.
func (s *csvSource) fillCells(r *Record) {
	for _, b := range s.bound {
		f := s.fields[b.Index]
		if len(f) > 0 && (len(s.quoted) == 0 || !s.quoted[b.Index]) {
			if b.SingleLine && (f[0] <= ' ' || f[len(f)-1] <= ' ') {
				f = strings.Trim(f, " \t")
			}
			if f == `\N` {
				f = ""
			}
		}
		c := &r.Cells[b.Cell]
		if c.Text = f; f == "" {
			c.Kind = CellAbsent
		} else {
			c.Kind = CellText
		}
	}
}

// cut copies the text of a row for the rejects, up to a limit.
func cut(raw []byte) string {
	if len(raw) > maxRaw {
		return strings.ToValidUTF8(string(raw[:maxRaw]), "\uFFFD") + "…"
	}
	return strings.ToValidUTF8(string(raw), "\uFFFD")
}
