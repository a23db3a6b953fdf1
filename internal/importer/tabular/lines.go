package tabular

import (
	"bytes"
	"errors"
	"io"
)

// maxRecord is the longest record of a text format, in bytes.
const maxRecord = 1 << 20

// window is a sliding view of a stream that lets a reader look ahead and go
// back: CSV must reread the lines that a lone quote seemed to swallow.
type window struct {
	r    io.Reader
	buf  []byte
	at   int   // where the next record starts in buf
	line int64 // 1-based line at which it starts
	err  error // why no more can be read; io.EOF at the end
}

func newWindow(r io.Reader) *window {
	return &window{r: r, buf: make([]byte, 0, 256<<10), line: 1}
}

// rest is what is buffered from the next record on.
func (w *window) rest() []byte { return w.buf[w.at:] }

// fill reads more, and reports whether it did. It first forgets what lies
// before the next record.
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

// errTooLong says that a line exceeds maxRecord. The line has been skipped.
var errTooLong = errors.New("line is longer than 1 MiB")

// physical returns the line at the start of the window without its end, and how
// many bytes it takes with it. It returns io.EOF when nothing is left, and
// errTooLong, having skipped the line, when it is too long.
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

// skipLine drops the window up to the end of the line.
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

// advance moves past size bytes holding the given number of lines.
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
