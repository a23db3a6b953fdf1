package tabular

import (
	"bytes"
	"errors"
	"io"
)

// maxRecord is the longest record of a text format, in bytes.
const maxRecord = 1 << 20

// window is a sliding view of a stream for reading ahead and going back: CSV
// must reread the lines after an unclosed quote.
type window struct {
	r    io.Reader
	buf  []byte
	at   int   // start of the next record in buf
	line int64 // 1-based line at which it starts
	err  error // error that ended reading; io.EOF at the end
}

func newWindow(r io.Reader) *window {
	return &window{r: r, buf: make([]byte, 0, 256<<10), line: 1}
}

// rest returns the buffered data from the next record on.
func (w *window) rest() []byte { return w.buf[w.at:] }

// fill reads more data, and reports whether it did. It first discards what
// precedes the next record.
func (w *window) fill() bool {
	if w.err != nil {
		return false
	}
	if w.at > 0 {
		w.buf = w.buf[:copy(w.buf, w.buf[w.at:])]
		w.at = 0
	}
	if len(w.buf) == cap(w.buf) {
		bigger := make([]byte, len(w.buf), 2*cap(w.buf))
		copy(bigger, w.buf)
		w.buf = bigger
	}
	for tries := 0; tries < 100; tries++ {
		n, err := w.r.Read(w.buf[len(w.buf):cap(w.buf)])
		w.buf = w.buf[:len(w.buf)+n]
		if err != nil {
			w.err = err
			return n > 0
		}
		if n > 0 {
			return true
		}
	}
	w.err = io.ErrNoProgress
	return false
}

// errTooLong means that a line exceeds maxRecord. The line has been skipped.
var errTooLong = errors.New("line is longer than 1 MiB")

// physical returns the line at the start of the window without its end, and its
// length in bytes with it. It returns io.EOF at the end, and errTooLong, after
// skipping the line, if it is too long.
func (w *window) physical() (line []byte, size int, err error) {
	seen := 0
	for {
		if i := bytes.IndexByte(w.rest()[seen:], '\n'); i >= 0 {
			if size = seen + i + 1; size > maxRecord {
				return nil, 0, w.skipLine()
			}
			return trimCR(w.rest()[:size-1]), size, nil
		}
		seen = len(w.rest())
		if seen > maxRecord {
			return nil, 0, w.skipLine()
		}
		if w.fill() {
			continue
		}
		if !errors.Is(w.err, io.EOF) {
			return nil, 0, w.err
		}
		if seen == 0 {
			return nil, 0, io.EOF
		}
		return trimCR(w.rest()), seen, nil
	}
}

// skipLine discards the data up to the end of the line.
func (w *window) skipLine() error {
	for {
		if i := bytes.IndexByte(w.rest(), '\n'); i >= 0 {
			w.advance(i+1, 1)
			return errTooLong
		}
		w.at = len(w.buf)
		if !w.fill() {
			if !errors.Is(w.err, io.EOF) {
				return w.err
			}
			w.line++
			return errTooLong
		}
	}
}

// advance moves past size bytes that contain the given number of lines.
func (w *window) advance(size, lines int) {
	w.at += size
	w.line += int64(lines)
}

func trimCR(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}

// lineSource reads a text line by line.
type lineSource struct {
	text textStream
	w    *window
	row  int64
	raw  []byte // text of the last record, in the window or copied
}

func newLineSource(text textStream) lineSource { return lineSource{text: text, w: newWindow(text)} }

func (s *lineSource) Dialect() []string        { return s.text.notes }
func (s *lineSource) RawText() string          { return cut(s.raw) }
func (s *lineSource) Position() (int64, int64) { return s.w.line, s.row }
func (s *lineSource) Close() error             { return s.text.Close() }

// next returns the next line that is not blank, and leaves it at the start of the
// window. It skips a line that is too long, and sets r.Bad.
func (s *lineSource) next(r *Record, blank func([]byte) bool) (line []byte, size int, err error) {
	for {
		r.Line, r.Bad = s.w.line, ""
		line, size, err = s.w.physical()
		switch {
		case errors.Is(err, errTooLong):
			r.Bad, line = errTooLong.Error(), nil
		case err != nil:
			return nil, 0, err
		case blank(line):
			s.w.advance(size, 1)
			continue
		}
		s.row++
		r.Row, s.raw = s.row, line
		return line, size, nil
	}
}

// empty and onlySpace report whether a line is blank, in CSV and in JSON Lines.
func empty(line []byte) bool     { return len(line) == 0 }
func onlySpace(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }
