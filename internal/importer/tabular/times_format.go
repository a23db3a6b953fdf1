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
	var year, month, day, hour, minute, second int
	half, timed, ok := byte(0), false, true
	fraction := int64(0)
	for _, t := range f.tokens {
		switch t.part {
		case 0:
			s, ok = strings.CutPrefix(s, t.literal)
		case 'd':
			day, s, ok = shortNumber(s)
		case 'm':
			month, s, ok = shortNumber(s)
		case 'b':
			n := 0
			for n < len(s) && (s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z') {
				n++
			}
			month, s = monthNamed(s[:n]), s[n:]
		case 'y':
			if len(s) < 4 {
				return 0, false
			}
			year, ok = number(s[:4])
			s = s[4:]
		case 'Y': // as strptime: 69 is 1969, 68 is 2068
			if len(s) < 2 {
				return 0, false
			}
			year, ok = number(s[:2])
			s = s[2:]
			if year += 1900; year < 1969 {
				year += 100
			}
		case 'H', 'h':
			hour, s, ok = shortNumber(s)
			timed = true
		case 'M':
			minute, s, ok = shortNumber(s)
		case 's':
			second, s, ok = shortNumber(s)
			if s != "" && (s[0] == '.' || s[0] == ',') {
				n := 1
				for n < len(s) && isDigit(s[n]) {
					n++
				}
				fraction, s = fractionMicros(s[1:n]), s[n:]
			}
		case 'a':
			half, s, ok = cutHalf(s)
		}
		if !ok {
			return 0, false
		}
	}
	at, ok := dateMicros(year, month, day)
	if !ok {
		return 0, false
	}
	s = strings.TrimSpace(s)
	if !timed && s != "" {
		clock, ok := parseClockAndZone(strings.TrimLeft(s, "T ,"))
		return at + clock, ok
	}
	if half != 0 {
		if hour < 1 || hour > 12 {
			return 0, false
		}
		if hour %= 12; half == 'P' {
			hour += 12
		}
	}
	zone, ok := parseZone(s)
	return at + clockMicros(hour, minute, second) + fraction - zone, ok && hour <= 23 && minute <= 59 && second <= 60
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
