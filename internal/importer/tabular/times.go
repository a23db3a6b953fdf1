package tabular

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseTime parses a time in any form that a file may use, for flags.
func ParseTime(s string) (time.Time, error) {
	at, err := ParseMicros(s)
	return time.UnixMicro(at).UTC(), err
}

// ParseMicros parses a time in a common form and returns microseconds since
// 1970, UTC. Accepted are
//
//   - ISO 8601: 2017-12-01, 2017-12-01T10:20, 2017-12-01 10:20:30.123456,
//     followed by Z, UTC, +02:00, +0200 or +02, and / instead of -;
//   - digits only: 20171201 and 20171201102030;
//   - seconds, milliseconds, microseconds or nanoseconds since 1970,
//     distinguished by their size, with or without a fraction.
//
// A time without a zone is UTC.
func ParseMicros(s string) (int64, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, errors.New("is empty")
	}
	if len(s) >= 10 && (s[4] == '-' || s[4] == '/') {
		return parseISO(s)
	}
	if strings.Trim(s, "0123456789") == "" {
		if layout := map[int]string{8: "20060102", 14: "20060102150405"}[len(s)]; layout != "" {
			if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1970 && t.Year() < 2200 {
				return t.UnixMicro(), nil
			}
		}
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return epochMicros(n), nil
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) >= 1e20 {
		return 0, fmt.Errorf("%.40q is not a time; use ISO 8601 or seconds since 1970", s)
	}
	switch a := math.Abs(f); {
	case a < 1e11:
		f *= 1e6
	case a < 1e14:
		f *= 1e3
	case a >= 1e17:
		f /= 1e3
	}
	return int64(math.Round(f)), nil
}

// epochMicros determines the unit of a number since 1970 by its size: 1e11
// seconds is the year 5138, 1e11 milliseconds is 1973.
func epochMicros(n int64) int64 {
	switch a := max(n, -n); {
	case a < 1e11:
		return n * 1e6
	case a < 1e14:
		return n * 1e3
	case a < 1e17:
		return n
	}
	return n / 1e3
}

// parseISO parses the ISO 8601 forms. It does not use time.Parse because it
// runs for every row, and time.Parse would need a layout for every variant.
func parseISO(s string) (int64, error) {
	bad := func() (int64, error) {
		return 0, fmt.Errorf("%.40q is not a time; use ISO 8601 or seconds since 1970", s)
	}
	year, ok1 := number(s[0:4])
	month, ok2 := number(s[5:7])
	day, ok3 := number(s[8:10])
	if !ok1 || !ok2 || !ok3 || s[7] != s[4] || month < 1 || month > 12 || day < 1 {
		return bad()
	}
	date := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if date.Day() != day {
		return bad()
	}
	at, rest := date.UnixMicro(), s[10:]
	if rest == "" {
		return at, nil
	}
	if rest[0] != 'T' && rest[0] != 't' && rest[0] != ' ' {
		return bad()
	}
	clock, rest, ok := parseClock(rest[1:])
	if !ok {
		return bad()
	}
	zone, ok := parseZone(strings.TrimSpace(rest))
	if !ok {
		return bad()
	}
	return at + clock - zone, nil
}

// parseClock parses HH:MM[:SS[.fraction]] and returns it in microseconds, and
// the rest of the text.
func parseClock(s string) (int64, string, bool) {
	if len(s) < 5 || s[2] != ':' {
		return 0, s, false
	}
	hour, ok1 := number(s[0:2])
	minute, ok2 := number(s[3:5])
	if !ok1 || !ok2 || hour > 23 || minute > 59 {
		return 0, s, false
	}
	at := int64(hour*3600+minute*60) * 1e6
	s = s[5:]
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
	for unit := int64(1e5); digits < len(s) && s[digits] >= '0' && s[digits] <= '9'; digits++ {
		at += int64(s[digits]-'0') * unit
		unit /= 10
	}
	return at, s[digits:], digits > 1
}

// parseZone parses the zone after a time and returns its offset in
// microseconds.
func parseZone(s string) (int64, bool) {
	switch s {
	case "", "Z", "z", "UTC", "GMT":
		return 0, true
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

// number parses digits only.
func number(s string) (int, bool) {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}
