package tabular

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// csvSource reads values separated by commas (or ; tab |, whichever the header
// has most) as in RFC 4180, and tolerates common mistakes: a quote inside an
// unquoted field is a character, and blank lines are ignored.
//
// A quote that is not closed properly rejects only its own line: encoding/csv
// would consume the rows up to the next quote. So a record that spans lines is
// accepted only if it has as many fields as the header; otherwise its first
// line is rejected and reading continues at the second.
type csvSource struct {
	lineSource
	comma  byte
	header []string
	bound  []Column

	fields  []string // fields of the last record
	scratch []byte   // unquoted text of a record with quotes
	ends    []int    // end of each field in scratch
}

func newCSV(text textStream) (*csvSource, error) {
	s := &csvSource{lineSource: newLineSource(text), comma: ','}
	line, _, err := s.w.physical()
	for err == nil && len(bytes.TrimSpace(line)) == 0 {
		_, size, _ := s.w.physical()
		s.w.advance(size, 1)
		line, _, err = s.w.physical()
	}
	if err != nil {
		return nil, fmt.Errorf("line %d: read the header: %w", s.w.line, err)
	}
	if bytes.IndexByte(line, '\r') >= 0 {
		return nil, errors.New("ends its lines with a lone carriage return; convert them to line feeds")
	}
	for _, c := range []byte{';', '\t', '|'} {
		if bytes.Count(line, []byte{c}) > bytes.Count(line, []byte{s.comma}) {
			s.comma = c
		}
	}
	size, lines, why := s.parse()
	if why != "" {
		return nil, fmt.Errorf("line %d: the header %s", s.w.line, why)
	}
	if s.w.err != nil && !errors.Is(s.w.err, io.EOF) {
		return nil, fmt.Errorf("line %d: %w", s.w.line, s.w.err)
	}
	s.w.advance(size, lines)
	for _, f := range s.fields {
		s.header = append(s.header, strings.TrimSpace(f))
	}
	return s, nil
}

func (s *csvSource) Columns() []string     { return s.header }
func (s *csvSource) Bind(c []Column) error { s.bound = present(c); return nil }

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
		if err := s.nextQuoted(r); err != nil {
			return err
		}
	}
	if r.Bad == "" {
		s.fillCells(r)
	}
	return nil
}

// nextQuoted reads a record that has quotes in its first line.
func (s *csvSource) nextQuoted(r *Record) error {
	size, lines, why := s.parse()
	if s.w.err != nil && !errors.Is(s.w.err, io.EOF) {
		return s.w.err
	}
	if why == "" {
		why = s.miscount()
	}
	if why == "" && lines > 1 {
		why = s.misplacedBreak()
	}
	if why != "" && lines != 1 {
		line, first, _ := s.w.physical()
		s.raw, size, lines = line, first, 1
		why += "; a quote on this line may not be closed"
	} else {
		s.raw = trimCR(bytes.TrimSuffix(s.w.rest()[:size], []byte("\n")))
	}
	r.Bad = why
	s.w.advance(size, lines)
	return nil
}

// split splits a line without quotes into fields.
func (s *csvSource) split(line string) {
	s.fields = s.fields[:0]
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

// parse reads the record at the start of the window into fields. It returns its
// length in bytes and lines, and why it is not a record: then lines is 1 if
// only the first line is wrong.
func (s *csvSource) parse() (size, lines int, why string) {
	for {
		size, lines, more, why := s.scan(s.w.rest(), errors.Is(s.w.err, io.EOF))
		switch {
		case more && len(s.w.rest()) > maxRecord, size > maxRecord:
			return 0, 2, "has a quoted field longer than 1 MiB"
		case !more:
			return size, lines, why
		}
		if !s.w.fill() && !errors.Is(s.w.err, io.EOF) {
			return 0, 0, ""
		}
	}
}

// scan is one attempt of parse on the buffered data; more means that the record
// continues after it.
func (s *csvSource) scan(b []byte, end bool) (size, lines int, more bool, why string) {
	s.scratch, s.ends = s.scratch[:0], s.ends[:0]
	lines = 1
	i := 0
	for {
		if i < len(b) && b[i] == '"' {
			for i++; ; i++ {
				q := bytes.IndexByte(b[i:], '"')
				if q < 0 {
					return 0, 2, !end, fmt.Sprintf("has a quote in column %d that is not closed", len(s.ends)+1)
				}
				lines += bytes.Count(b[i:i+q], []byte{'\n'})
				s.scratch = append(s.scratch, b[i:i+q]...)
				i += q + 1
				if i >= len(b) || b[i] != '"' {
					break
				}
				s.scratch = append(s.scratch, '"')
			}
			if i == len(b) && !end || i+1 == len(b) && b[i] == '\r' && !end {
				return 0, 0, true, ""
			}
			if i < len(b) && b[i] != s.comma && b[i] != '\n' && !bytes.HasPrefix(b[i:], []byte("\r\n")) {
				return s.lineEnd(b, lines, len(s.ends)+1)
			}
		}
		// The rest of the field is unquoted.
		j := i
		for j < len(b) && b[j] != s.comma && b[j] != '\n' {
			j++
		}
		if j == len(b) && !end {
			return 0, 0, true, ""
		}
		last := j == len(b) || b[j] == '\n'
		if last {
			s.scratch = append(s.scratch, trimCR(b[i:j])...)
		} else {
			s.scratch = append(s.scratch, b[i:j]...)
		}
		s.ends = append(s.ends, len(s.scratch))
		i = min(j+1, len(b))
		if last {
			s.cutFields()
			return i, lines, false, ""
		}
	}
}

// lineEnd reports text after a closing quote: the first line is rejected.
func (s *csvSource) lineEnd(b []byte, lines, column int) (int, int, bool, string) {
	why := fmt.Sprintf("has text after the closing quote of column %d", column)
	if lines > 1 {
		return 0, lines, false, why
	}
	if n := bytes.IndexByte(b, '\n'); n >= 0 {
		return n + 1, 1, false, why
	}
	return len(b), 2, false, why // nextQuoted finds the line's end
}

func (s *csvSource) cutFields() {
	all, start := string(s.scratch), 0
	s.fields = s.fields[:0]
	for _, end := range s.ends {
		s.fields = append(s.fields, all[start:end])
		start = end
	}
}

func (s *csvSource) miscount() string {
	if len(s.fields) == len(s.header) {
		return ""
	}
	return fmt.Sprintf("has %d columns where the header has %d", len(s.fields), len(s.header))
}

// misplacedBreak looks for a line break in a column that cannot have one: it
// indicates that a stray quote was closed by another one.
func (s *csvSource) misplacedBreak() string {
	for _, b := range s.bound {
		if b.SingleLine && strings.IndexByte(s.fields[b.Index], '\n') >= 0 {
			return fmt.Sprintf("has a line break in column %d", b.Index+1)
		}
	}
	return ""
}

func (s *csvSource) fillCells(r *Record) {
	for _, b := range s.bound {
		c := &r.Cells[b.Cell]
		if c.Text = s.fields[b.Index]; c.Text == "" {
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
