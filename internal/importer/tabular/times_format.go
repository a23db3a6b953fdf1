package tabular

import (
	"errors"
	"fmt"
	"strings"
)

// TimeFormat is the form of the times of a column. The zero value is any form that
// can be read in one way only.
type TimeFormat struct {
	name   string
	tokens []timeToken
}

// timeToken is a part of a form: a letter of d, m (month), b (its name), y (of four
// digits), Y (of two), H, h, M (minute), s, a (AM or PM), or a literal.
type timeToken struct {
	part    byte
	literal string
}

// ParseTimeFormat parses the name of a form, such as dd/mm/yyyy, mm/dd/yyyy or
// dd.mm.yyyy HH:mm:ss. It consists of d or dd, m or mm, mmm (a name), yy or yyyy, H
// or HH, h or hh with a, mm after the hours, s or ss, and separators. Days, months
// and hours may have one digit or two. If the form has no time of day, one may
// follow the date. "" is the zero value.
func ParseTimeFormat(name string) (TimeFormat, error) {
	f := TimeFormat{name: name}
	seen := map[byte]bool{}
	for rest := name; rest != ""; {
		n := 1
		for n < len(rest) && rest[n] == rest[0] {
			n++
		}
		token := timeToken{part: partOf(rest[0], n, seen['H'] || seen['h'])}
		if letter := rest[0] | 0x20; token.part == 0 && letter >= 'a' && letter <= 'z' && rest[:n] != "T" {
			return TimeFormat{}, fmt.Errorf("the time format %.60q has %q; use for example dd/mm/yyyy, mm/dd/yyyy or dd.mm.yyyy HH:mm:ss", name, rest[:n])
		}
		if token.part == 0 {
			token.literal = rest[:n]
		} else if seen[token.part] {
			return TimeFormat{}, fmt.Errorf("the time format %.60q has %q twice", name, rest[:n])
		}
		seen[token.part] = true
		f.tokens = append(f.tokens, token)
		rest = rest[n:]
	}
	if name != "" && (!seen['d'] || !seen['m'] && !seen['b'] || !seen['y'] && !seen['Y']) {
		return TimeFormat{}, fmt.Errorf("the time format %.60q needs a day, a month and a year, such as dd/mm/yyyy", name)
	}
	return f, nil
}

func partOf(letter byte, n int, afterHours bool) byte {
	switch {
	case letter == 'y' && n == 2:
		return 'Y'
	case letter == 'y' && n == 4:
		return 'y'
	case (letter == 'm' || letter == 'M') && n == 3:
		return 'b'
	case n > 2:
		return 0
	case letter == 'm' && afterHours:
		return 'M'
	case letter == 'm' || letter == 'M':
		return 'm'
	case letter == 'd' || letter == 'D':
		return 'd'
	case strings.IndexByte("Hhsa", letter) >= 0:
		return letter
	}
	return 0
}

// String returns the name of the form.
func (f TimeFormat) String() string { return f.name }

// Micros parses a time in the form, and returns microseconds since 1970, UTC.
func (f TimeFormat) Micros(s string) (int64, error) {
	if f.name == "" {
		return ParseMicros(s)
	}
	at, ok := f.parse(strings.TrimSpace(s))
	if !ok {
		return 0, fmt.Errorf("%.40q is not a time in the form %s", s, f.name)
	}
	return at, nil
}

func (f TimeFormat) parse(s string) (int64, bool) {
	t := formedTime{rest: s}
	for _, token := range f.tokens {
		if !t.take(token) {
			return 0, false
		}
	}
	return t.micros()
}

// formedTime is a time that is being parsed in a form.
type formedTime struct {
	rest                                   string // not parsed yet
	year, month, day, hour, minute, second int
	fraction                               int64 // microseconds
	half                                   byte  // A or P; 0: none
	timed                                  bool  // the form has a time of day
}

// take parses a part of the form.
func (t *formedTime) take(token timeToken) (ok bool) {
	switch token.part {
	case 0:
		t.rest, ok = strings.CutPrefix(t.rest, token.literal)
	case 'd':
		t.day, t.rest, ok = shortNumber(t.rest)
	case 'm':
		t.month, t.rest, ok = shortNumber(t.rest)
	case 'b':
		ok = t.takeName()
	case 'y':
		t.year, ok = t.takeDigits(4)
	case 'Y': // as strptime: 69 is 1969, 68 is 2068
		if t.year, ok = t.takeDigits(2); t.year < 69 {
			t.year += 100
		}
		t.year += 1900
	case 'H', 'h':
		t.timed = true
		t.hour, t.rest, ok = shortNumber(t.rest)
	case 'M':
		t.minute, t.rest, ok = shortNumber(t.rest)
	case 's':
		if t.second, t.rest, ok = shortNumber(t.rest); ok {
			t.takeFraction()
		}
	case 'a':
		t.half, t.rest, ok = cutHalf(t.rest)
	}
	return ok
}

func (t *formedTime) takeDigits(n int) (int, bool) {
	if len(t.rest) < n {
		return 0, false
	}
	v, ok := number(t.rest[:n])
	t.rest = t.rest[n:]
	return v, ok
}

// takeName parses the name of a month. An unknown one is the month 0, of which no date is.
func (t *formedTime) takeName() bool {
	n := 0
	for n < len(t.rest) && (t.rest[n]|0x20 >= 'a' && t.rest[n]|0x20 <= 'z') {
		n++
	}
	t.month, t.rest = monthNamed(t.rest[:n]), t.rest[n:]
	return t.month > 0
}

// takeFraction parses a fraction of a second, if there is one.
func (t *formedTime) takeFraction() {
	if t.rest == "" || t.rest[0] != '.' && t.rest[0] != ',' {
		return
	}
	n := 1
	for n < len(t.rest) && isDigit(t.rest[n]) {
		n++
	}
	t.fraction, t.rest = fractionMicros(t.rest[1:n]), t.rest[n:]
}

// micros returns the time in microseconds since 1970, UTC. A zone may follow it, and
// without a time of day in the form a time of day.
func (t *formedTime) micros() (int64, bool) {
	date, ok := dateMicros(t.year, t.month, t.day)
	if !ok {
		return 0, false
	}
	rest := strings.TrimSpace(t.rest)
	if !t.timed && rest != "" {
		clock, ok := parseClockAndZone(strings.TrimLeft(rest, "T ,"))
		return date + clock, ok
	}
	if t.half != 0 {
		if t.hour < 1 || t.hour > 12 {
			return 0, false
		}
		if t.hour %= 12; t.half == 'P' {
			t.hour += 12
		}
	}
	zone, ok := parseZone(rest)
	return date + clockMicros(t.hour, t.minute, t.second) + t.fraction - zone, ok && t.hour <= 23 && t.minute <= 59 && t.second <= 60
}

// ambiguousDate returns an error that names the forms which a date can have, if it
// is a day and a month in numbers and a year.
func ambiguousDate(s string) error {
	first, rest, ok := shortNumber(s)
	if !ok || rest == "" || strings.IndexByte("/.-", rest[0]) < 0 {
		return nil
	}
	sep := rest[:1]
	second, rest, ok := shortNumber(rest[1:])
	if !ok || !strings.HasPrefix(rest, sep) {
		return nil
	}
	digits := 1
	for digits < len(rest) && isDigit(rest[digits]) {
		digits++
	}
	year := map[int]string{3: "yy", 5: "yyyy"}[digits]
	if year == "" {
		return nil
	}
	var forms []string
	if first >= 1 && first <= 31 && second >= 1 && second <= 12 {
		forms = append(forms, "dd"+sep+"mm"+sep+year)
	}
	if first >= 1 && first <= 12 && second >= 1 && second <= 31 {
		forms = append(forms, "mm"+sep+"dd"+sep+year)
	}
	if year == "yy" && first <= 99 && second >= 1 && second <= 12 {
		forms = append(forms, "yy"+sep+"mm"+sep+"dd")
	}
	if len(forms) == 0 {
		return nil
	}
	return errors.New(fmt.Sprintf("%.40q could be in the form ", s) + strings.Join(forms, " or ") + "; choose with --time-format " + forms[0])
}
