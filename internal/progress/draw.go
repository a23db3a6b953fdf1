package progress

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

var frames = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// redraw shows the active tasks: in place on a terminal, as a line at intervals
// elsewhere. The caller holds the lock.
func (p *Printer) redraw() {
	if p.w == nil || len(p.active) == 0 {
		p.erase()
		return
	}
	if !p.fancy {
		p.plain()
		return
	}
	var b strings.Builder
	b.WriteString(p.eraseSequence())
	for _, t := range p.active {
		line := fmt.Sprintf("%c %-9s %s%s", frames[p.frame%len(frames)], t.name, t.text, t.took())
		b.WriteString(clip(line, p.width()-1))
		b.WriteByte('\n')
	}
	p.drawn = len(p.active)
	fmt.Fprint(p.w, b.String())
}

func (p *Printer) plain() {
	if !p.last.IsZero() && time.Since(p.last) < p.every {
		return
	}
	texts := make([]string, len(p.active))
	for i, t := range p.active {
		texts[i] = t.name + ": " + t.text + t.took()
	}
	fmt.Fprintln(p.w, "… "+strings.Join(texts, "; "))
	p.last = time.Now()
}

// erase removes the block of active tasks from the terminal.
func (p *Printer) erase() {
	if p.drawn > 0 {
		fmt.Fprint(p.w, p.eraseSequence())
		p.drawn = 0
	}
}

// eraseSequence moves up over the drawn lines and clears to the end of the screen.
func (p *Printer) eraseSequence() string {
	if p.drawn == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\x1b[J", p.drawn)
}

// clip shortens s to width runes so that a line never wraps (a wrapped line would
// be erased only in part).
func clip(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}
