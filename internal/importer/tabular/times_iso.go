package tabular

import (
	"strings"
)

// parseISO parses the ISO 8601 forms, and the same with months and days of one
// digit. It does not use time.Parse because it runs for every row, and time.Parse
// would need a layout for every variant.
func parseISO(s string) (int64, error) {
	year, ok1 := number(s[0:4])
	month, rest, ok2 := shortNumber(s[5:])
	if !ok1 || !ok2 || rest == "" || rest[0] != s[4] {
		return 0, notATime(s)
	}
	day, rest, ok := shortNumber(rest[1:])
	if !ok {
		return 0, notATime(s)
	}
	at, ok := dateMicros(year, month, day)
	if !ok {
		return 0, notATime(s)
	}
	if rest == "" {
		return at, nil
	}
	if rest[0] != 'T' && rest[0] != 't' && rest[0] != ' ' {
		return 0, notATime(s)
	}
	clock, ok := parseClockAndZone(rest[1:])
	if !ok {
		return 0, notATime(s)
	}
	return at + clock, nil
}

// parseBasicISO parses YYYYMMDDTHHMM[SS[.fraction]] with a zone.
func parseBasicISO(s string) (int64, bool) {
	end := 9
	for end < len(s) && isDigit(s[end]) {
		end++
	}
	if n := end - 9; n != 4 && n != 6 {
		return 0, false
	}
	at, ok := parseDateDigits(s[:8] + s[9:end])
	rest := s[end:]
	if ok && end == 15 && rest != "" && (rest[0] == '.' || rest[0] == ',') {
		n := 1
		for n < len(rest) && isDigit(rest[n]) {
			n++
		}
		at += fractionMicros(rest[1:n])
		ok, rest = n > 1, rest[n:]
	}
	zone, known := parseZone(strings.TrimSpace(rest))
	return at - zone, ok && known
}

// shortNumber parses one or two digits at the beginning of s.
func shortNumber(s string) (n int, rest string, ok bool) {
	size := 0
	for size < len(s) && size < 2 && isDigit(s[size]) {
		size++
	}
	n, _ = number(s[:size])
	return n, s[size:], size > 0
}

// parseClockAndZone parses the time of day, AM or PM and the zone after a date, and
// returns the microseconds since the beginning of the day in UTC.
func parseClockAndZone(s string) (int64, bool) {
	clock, rest, ok := parseClock(s)
	if !ok {
		return 0, false
	}
	rest = strings.TrimSpace(rest)
	if half, after, ok := cutHalf(rest); ok {
		const hour = 3600e6
		if clock < hour || clock >= 13*hour {
			return 0, false
		}
		if clock %= 12 * hour; half == 'P' {
			clock += 12 * hour
		}
		rest = strings.TrimSpace(after)
	}
	zone, ok := parseZone(rest)
	return clock - zone, ok
}

// cutHalf cuts AM or PM from the beginning of s.
func cutHalf(s string) (half byte, after string, ok bool) {
	if len(s) < 2 || s[1]|0x20 != 'm' || s[0]|0x20 != 'a' && s[0]|0x20 != 'p' || len(s) > 2 && s[2] != ' ' {
		return 0, s, false
	}
	return s[0] &^ 0x20, s[2:], true
}

// parseClock parses HH:MM[:SS[.fraction]] and returns it in microseconds, and
// the rest of the text.
func parseClock(s string) (int64, string, bool) {
	hour, rest, ok1 := shortNumber(s)
	if len(rest) < 3 || rest[0] != ':' {
		return 0, s, false
	}
	minute, ok2 := number(rest[1:3])
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return 0, s, false
	}
	at := clockMicros(hour, minute, 0)
	s = rest[3:]
	if s == "" || s[0] != ':' {
		return at, s, true
	}
	if len(s) < 3 {
		return 0, s, false
	}
	second, ok := number(s[1:3])
	if !ok || second > 60 { // 60 is a leap second, in the next minute
		return 0, s, false
	}
	at += int64(second) * 1e6
	s = s[3:]
	if s == "" || (s[0] != '.' && s[0] != ',') {
		return at, s, true
	}
	digits := 1
	for digits < len(s) && isDigit(s[digits]) {
		digits++
	}
	return at + fractionMicros(s[1:digits]), s[digits:], digits > 1
}

// parseZone parses the zone after a time and returns its offset in
// microseconds.
func parseZone(s string) (int64, bool) {
	switch s {
	case "", "Z", "z", "UTC", "GMT":
		return 0, true
	}
	s = withoutZoneName(s)
	if s == "" {
		return 0, false
	}
	if s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	digits := strings.Replace(s[1:], ":", "", 1)
	if len(digits) == 2 {
		digits += "00"
	}
	if len(digits) != 4 {
		return 0, false
	}
	hours, ok1 := number(digits[:2])
	minutes, ok2 := number(digits[2:])
	if !ok1 || !ok2 || hours > 23 || minutes > 59 {
		return 0, false
	}
	offset := int64(hours*3600+minutes*60) * 1e6
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// withoutZoneName removes the name of a zone from its offset: +0100 of GMT+0100
// (Central European Time), +01:00 of +01:00[Europe/Paris], +0000 of +0000 UTC.
func withoutZoneName(s string) string {
	if i := strings.IndexAny(s, "[("); i > 0 {
		s = strings.TrimSpace(s[:i])
	}
	s = strings.TrimPrefix(strings.TrimSuffix(s, " UTC"), "GMT")
	if s == "Z" {
		return "+00"
	}
	return s
}
