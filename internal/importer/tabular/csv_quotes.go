package tabular

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// csvMode is a way to read a record with quotes.
type csvMode struct {
	backslash bool // it escapes a quote and a backslash
	spaces    bool // they may precede a quote
}

// modes returns the ways to read the record that begins with a line, in the order
// to try them.
func (s *csvSource) modes(line []byte) []csvMode {
	from, to := 0, len(csvModes)
	switch s.escapes {
	case doubled:
		to = 2
	case backslash:
		from = 2
	}
	if bytes.IndexByte(line, ' ') < 0 {
		return plainModes[from/2 : to/2]
	}
	return csvModes[from:to]
}

var (
	csvModes     = []csvMode{{spaces: true}, {}, {backslash: true, spaces: true}, {backslash: true}}
	plainModes   = []csvMode{{}, {backslash: true}}
	escapedQuote = []byte(`\"`)
)

// nextQuoted reads a record that has quotes in its first line.
func (s *csvSource) nextQuoted(r *Record, line []byte) error {
	var size, lines int
	var why string
	for i, m := range s.modes(line) {
		otherSize, otherLines, otherWhy := s.record(m)
		if s.w.err != nil && !errors.Is(s.w.err, io.EOF) {
			return s.w.err
		}
		if i == 0 || otherWhy == "" {
			size, lines, why = otherSize, otherLines, otherWhy
		}
		if why == "" {
			s.decide(m, size, r.Line)
			break
		}
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

// decide learns how quotes are escaped from a record that was read in a mode.
func (s *csvSource) decide(m csvMode, size int, line int64) {
	if s.escapes != undecided {
		return
	}
	if m.backslash {
		s.escapes, s.escapesFrom = backslash, line
		return
	}
	if !bytes.Contains(s.w.rest()[:size], escapedQuote) {
		return
	}
	if _, _, why := s.record(csvMode{backslash: true, spaces: m.spaces}); why != "" {
		s.escapes, s.escapesFrom = doubled, line
	}
	s.record(m)
}

// record reads the record at the start of the window into fields, see parse.
func (s *csvSource) record(m csvMode) (size, lines int, why string) {
	size, lines, why = s.parse(m)
	if why == "" && lines > 0 {
		why = s.miscount()
	}
	if why == "" && lines > 1 {
		why = s.misplacedBreak()
	}
	return size, lines, why
}

// parse reads the record at the start of the window into fields. It returns its
// length in bytes and lines, and why it is not a record: then lines is 1 if
// only the first line is wrong.
func (s *csvSource) parse(m csvMode) (size, lines int, why string) {
	for {
		size, lines, more, why := s.scan(s.w.rest(), errors.Is(s.w.err, io.EOF), m)
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
func (s *csvSource) scan(b []byte, end bool, m csvMode) (size, lines int, more bool, why string) {
	s.scratch, s.ends, s.quoted = s.scratch[:0], s.ends[:0], s.quoted[:0]
	lines = 1
	i := 0
	for {
		if m.spaces {
			if j := i + len(b[i:]) - len(bytes.TrimLeft(b[i:], " ")); j < len(b) && b[j] == '"' {
				i = j
			}
		}
		quoted := i < len(b) && b[i] == '"'
		if quoted {
			after, breaks, closed := s.quotedField(b, i+1, m)
			if !closed {
				return 0, 2, !end, fmt.Sprintf("has a quote in column %d that is not closed", len(s.ends)+1)
			}
			i, lines = after, lines+breaks
			if m.spaces { // also after the quote
				i += len(b[i:]) - len(bytes.TrimLeft(b[i:], " "))
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
		s.quoted = append(s.quoted, quoted)
		i = min(j+1, len(b))
		if last {
			s.cutFields()
			return i, lines, false, ""
		}
	}
}

// quotedField adds the text of a quoted field to scratch, and returns the position
// after its closing quote and the line breaks in it.
func (s *csvSource) quotedField(b []byte, i int, m csvMode) (after, breaks int, closed bool) {
	for {
		q := bytes.IndexByte(b[i:], '"')
		if q < 0 {
			return i, breaks, false
		}
		if m.backslash {
			if e := bytes.IndexByte(b[i:i+q], '\\'); e >= 0 {
				breaks += bytes.Count(b[i:i+e], []byte{'\n'})
				s.scratch = append(s.scratch, b[i:i+e]...)
				if c := b[i+e+1]; c == '"' || c == '\\' { // q follows e
					s.scratch = append(s.scratch, c)
					i += e + 2
				} else {
					s.scratch = append(s.scratch, '\\')
					i += e + 1
				}
				continue
			}
		}
		breaks += bytes.Count(b[i:i+q], []byte{'\n'})
		s.scratch = append(s.scratch, b[i:i+q]...)
		i += q + 1
		if i >= len(b) || b[i] != '"' {
			return i, breaks, true
		}
		s.scratch = append(s.scratch, '"')
		i++
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
