package tabular

import "strings"

// parseMonthName parses a time with the English name of its month: one month, one
// day, one year of four digits, in any order, with an optional weekday, time of day
// and zone. It reports false for anything else.
func parseMonthName(s string) (int64, bool) {
	date, clock := splitClock(s)
	year, month, day := 0, 0, 0
	for _, word := range strings.FieldsFunc(date, func(r rune) bool { return strings.ContainsRune(" ,-/.", r) }) {
		if m := monthNamed(word); m > 0 && month == 0 {
			month = m
			continue
		}
		if isWeekday(word) || word == "of" {
			continue
		}
		n, isNumber := number(trimOrdinal(word))
		switch {
		case isNumber && len(word) == 4 && year == 0 && isDigit(word[3]):
			year = n
		case isNumber && len(word) <= 4 && n <= 31 && day == 0:
			day = n
		default:
			return 0, false
		}
	}
	if year == 0 || month == 0 || day == 0 {
		return 0, false
	}
	at, ok := dateMicros(year, month, day)
	if !ok || clock == "" {
		return at, ok
	}
	of, ok := parseClockAndZone(clock)
	return at + of, ok
}

// splitClock splits a date from its time of day and zone. The year may follow the
// time of day, as in Mon Jan 2 15:04:05 2006.
func splitClock(s string) (date, clock string) {
	colon := strings.IndexByte(s, ':')
	if colon < 0 {
		return s, ""
	}
	start := colon
	for start > 0 && isDigit(s[start-1]) {
		start--
	}
	date, clock = strings.TrimRight(s[:start], " T"), s[start:]
	if last := strings.LastIndexByte(clock, ' '); last > 0 && len(clock)-last == 5 && digitsOnly(clock[last+1:]) {
		return date + clock[last:], clock[:last]
	}
	return date, clock
}

var months = []string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}

// monthNamed returns the month with a name of three letters or all, or 0.
func monthNamed(word string) int {
	if len(word) < 3 {
		return 0
	}
	word = strings.ToLower(word)
	for i, m := range months {
		if word == m || word == m[:3] || word == "sept" && i == 8 {
			return i + 1
		}
	}
	return 0
}

func isWeekday(word string) bool {
	word = strings.ToLower(word)
	for _, d := range []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"} {
		if word == d || word == d[:3] {
			return true
		}
	}
	return false
}

// trimOrdinal returns 1 of 1st, 2 of 2nd, 3 of 3rd and 4 of 4th.
func trimOrdinal(word string) string {
	if n := len(word); n > 2 {
		switch strings.ToLower(word[n-2:]) {
		case "st", "nd", "rd", "th":
			return word[:n-2]
		}
	}
	return word
}
