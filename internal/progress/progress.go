// Package progress tells a person what is going on: one line per task with a
// spinner on a terminal, plain lines elsewhere. It never stays silent for more
// than two seconds while a task is under way, unless asked to be calmer. It
// draws; it decides nothing.
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
	lineEvery  = 1500 * time.Millisecond // of plain lines; a silence of 2 s reads as a hang
)

// Printer shows tasks on one writer. It is safe for concurrent use.
type Printer struct {
	w     io.Writer
	fancy bool
	width func() int
	every time.Duration // between plain lines

	mu     sync.Mutex
	active []*Task
	drawn  int       // lines of the block that the terminal shows now
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

// Calm makes plain lines come that far apart, for work of many minutes whose
// lines end up in a log. A terminal is drawn as ever.
func (p *Printer) Calm(every time.Duration) *Printer {
	p.every = every
	return p
}

// Discard returns a printer that prints nothing.
func Discard() *Printer { return &Printer{} }

// Task is one piece of work. It ends with Done, Fail or Leave.
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

// Done ends the task well; the text says what came of it.
func (t *Task) Done(format string, args ...any) { t.end("✓", fmt.Sprintf(format, args...)) }

// Fail ends the task badly. The error itself is printed by whoever gets it.
func (t *Task) Fail() { t.endAsIs("✗") }

// Leave ends the task without a judgement: it goes on, and nobody looks.
func (t *Task) Leave() { t.endAsIs("…") }

func (t *Task) endAsIs(mark string) {
	t.p.mu.Lock()
	text := t.text
	t.p.mu.Unlock()
	t.end(mark, text)
}

// Printf prints a line that stays, above the tasks under way.
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

// took is the time since the start, once it is long enough to matter.
func (t *Task) took() string {
	d := time.Since(t.started)
	if d < time.Second {
		return ""
	}
	return " · " + d.Round(time.Second).String()
}

// line prints s for good, in place of the block of active tasks.
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
