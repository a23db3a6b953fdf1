package lambda

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// longestLine is the length at which a line without an end is split.
const longestLine = 256 << 10

// lineWriter writes whole lines, so that those of several environments do not mix.
type lineWriter struct {
	to   io.Writer
	also *tail // may be nil

	mu  sync.Mutex
	buf []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, p...)
	if end := bytes.LastIndexByte(w.buf, '\n') + 1; end > 0 {
		w.pass(w.buf[:end])
		w.buf = append(w.buf[:0], w.buf[end:]...)
	}
	if len(w.buf) > longestLine {
		w.pass(append(w.buf, '\n'))
		w.buf = w.buf[:0]
	}
	return len(p), nil
}

// pass writes lines. It ignores write errors.
func (w *lineWriter) pass(lines []byte) {
	_, _ = w.to.Write(lines)
	if w.also != nil {
		w.also.add(lines)
	}
}

// flush writes a last line without an end.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.buf) > 0 {
		w.pass(append(w.buf, '\n'))
		w.buf = nil
	}
}

func (w *lineWriter) printf(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// tail is the end of a process's output.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) add(p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	t.buf = t.buf[max(0, len(t.buf)-1000):]
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}
