// Package progress shows progress to a user: one line per task with a spinner on a
// terminal, plain lines elsewhere. It prints at least every two seconds while a
// task is active, unless Calm sets a longer interval.
package progress

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

const (
	frameEvery = 100 * time.Millisecond  // of the spinner
	lineEvery  = 1500 * time.Millisecond // of plain lines; 2 s without output look like a hang
)

// Printer shows tasks on one writer. It is safe for concurrent use.
type Printer struct {
	w     io.Writer
	fancy bool
	width func() int
	every time.Duration // between plain lines

	mu     sync.Mutex
	active []*Task
	drawn  int       // lines of the block on the terminal
	frame  int       // of the spinner
	last   time.Time // of the last plain output
	stop   chan struct{}
}

// New returns a printer that draws a spinner when w is a terminal.
func New(w io.Writer) *Printer {
	p := &Printer{w: w, every: lineEvery, width: func() int { return 100 }}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.fancy = true
		p.width = func() int {
			if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 20 {
				return n
			}
			return 100
		}
	}
	return p
}

// Calm sets the interval of plain lines, for tasks of many minutes whose output
// goes to a log. It does not affect a terminal.
func (p *Printer) Calm(every time.Duration) *Printer {
	p.every = every
	return p
}

// Discard returns a printer that prints nothing.
func Discard() *Printer { return &Printer{} }

// Task is one unit of work. End it with Done, Fail or Leave.
type Task struct {
	p       *Printer
	name    string
	text    string
	started time.Time
}

// Start shows a new task.
func (p *Printer) Start(name, text string) *Task {
	t := &Task{p: p, name: name, text: text, started: time.Now()}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w == nil {
		return t
	}
	if len(p.active) == 0 {
		p.stop = make(chan struct{})
		go p.tick(p.stop)
	}
	p.active = append(p.active, t)
	p.redraw()
	return t
}

// Update replaces the task's text.
func (t *Task) Update(format string, args ...any) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	t.text = fmt.Sprintf(format, args...)
}

// Done marks the task as successful and shows text as its result.
func (t *Task) Done(format string, args ...any) { t.end("✓", fmt.Sprintf(format, args...)) }

// Fail marks the task as failed. The caller prints the error.
func (t *Task) Fail() { t.endAsIs("✗") }

// Leave ends the task without a result: it continues unobserved.
func (t *Task) Leave() { t.endAsIs("…") }

func (t *Task) endAsIs(mark string) {
	t.p.mu.Lock()
	text := t.text
	t.p.mu.Unlock()
	t.end(mark, text)
}

// Printf prints a permanent line above the active tasks.
func (p *Printer) Printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w == nil {
		return
	}
	p.line(fmt.Sprintf(format, args...))
	p.redraw()
}

func (t *Task) end(mark, text string) {
	p := t.p
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, a := range p.active {
		if a != t {
			continue
		}
		p.active = append(p.active[:i], p.active[i+1:]...)
		p.line(fmt.Sprintf("%s %-9s %s", mark, t.name, text) + t.took())
		p.redraw()
		if len(p.active) == 0 {
			close(p.stop)
		}
		return
	}
}

// took returns the time since the start, or nothing if it is short.
func (t *Task) took() string {
	d := time.Since(t.started)
	if d < time.Second {
		return ""
	}
	return " · " + d.Round(time.Second).String()
}

// line prints s permanently, in place of the block of active tasks.
func (p *Printer) line(s string) {
	p.erase()
	fmt.Fprintln(p.w, s)
	p.last = time.Now()
}

func (p *Printer) tick(stop chan struct{}) {
	every := frameEvery
	if !p.fancy {
		every = frameEvery * 2
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			p.mu.Lock()
			p.frame++
			p.redraw()
			p.mu.Unlock()
		}
	}
}
