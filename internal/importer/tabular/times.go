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
	if err != nil && s != "" {
		err = fmt.Errorf("%.40q is not a time; use ISO 8601 or seconds since 1970", s)
	}
	return time.UnixMicro(at).UTC(), err
}

// ParseMicros parses a time in a common form and returns microseconds since
// 1970, UTC. Accepted are
//
//   - ISO 8601: 2017-12-01, 2017-12-01T10:20, 2017-12-01 10:20:30.123456,
//     20171201T102030, followed by Z, UTC, +02:00, +0200 or +02, and / instead
//     of -;
//   - digits only: 20171201, 201712011020, 20171201102030 and 20171201102030123,
//     also as a number with the fraction .0;
//   - an English name of the month: 1 Dec 2017, December 1, 2017 10:20 PM,
//     Fri, 01 Dec 2017 10:20:30 GMT;
//   - seconds, milliseconds, microseconds or nanoseconds since 1970,
//     distinguished by their size, with or without a fraction.
//
// A time without a zone is UTC. A form that can be read in several ways, such as
// 01/12/2017, is an error that names them; see TimeFormat. So is a number in
// exponent form, because a spreadsheet has rounded it.
func ParseMicros(s string) (int64, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return 0, errors.New("is empty")
	case len(s) >= 8 && (s[4] == '-' || s[4] == '/' || s[4] == '.' && strings.Count(s, ".") > 1):
		return parseISO(s)
	case isDigit(s[0]) || s[0] == '-' || s[0] == '+' || s[0] == '.':
		if at, ok, err := parseNumber(s); ok || err != nil {
			return at, err
		}
		if len(s) >= 11 && (s[8] == 'T' || s[8] == 't' || s[8] == ' ') {
			if at, ok := parseBasicISO(s); ok {
				return at, nil
			}
		}
	}
	if at, ok := parseMonthName(s); ok {
		return at, nil
	}
	if err := ambiguousDate(s); err != nil {
		return 0, err
	}
	return 0, notATime(s)
}

func notATime(s string) error {
	return fmt.Errorf("%.40q is not a time; use ISO 8601 or seconds since 1970, or name its form with --time-format", s)
}

// parseNumber parses the digits of a date or a number since 1970. It reports false
// if s is not a number.
func parseNumber(s string) (at int64, ok bool, err error) {
	whole, fraction, _ := strings.Cut(s, ".")
	if !digitsOnly(strings.TrimLeft(whole, "+-")) && whole != "" || !digitsOnly(fraction) {
		if _, err := strconv.ParseFloat(s, 64); err == nil && strings.ContainsAny(s, "eE") {
			return 0, false, fmt.Errorf("%.40q is a number in exponent form, which a spreadsheet has rounded; export the column with all digits", s)
		}
		return 0, false, nil
	}
	if at, ok := parseDateDigits(whole); ok {
		if fraction = strings.TrimRight(fraction, "0"); fraction == "" {
			return at, true, nil
		}
		if len(whole) == 14 {
			return at + fractionMicros(fraction), true, nil
		}
		return 0, false, notATime(s)
	}
	if n, err := strconv.ParseInt(whole, 10, 64); err == nil && strings.Trim(fraction, "0") == "" {
		return epochMicros(n), true, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.Abs(f) >= 1e20 {
		return 0, false, notATime(s)
	}
	switch a := math.Abs(f); {
	case a < 1e11:
		f *= 1e6
	case a < 1e14:
		f *= 1e3
	case a >= 1e17:
		f /= 1e3
	}
	return int64(math.Round(f)), true, nil
}

// parseDateDigits parses YYYYMMDD[HHMM[SS[mmm]]]. As a number since 1970, such
// digits would be a time before 1971, in 1976, or after 2500.
func parseDateDigits(s string) (int64, bool) {
	switch len(s) {
	case 8, 12, 14, 17:
	default:
		return 0, false
	}
	year, _ := number(s[:4])
	month, _ := number(s[4:6])
	day, _ := number(s[6:8])
	at, ok := dateMicros(year, month, day)
	if !ok || year < 1970 || year >= 2200 {
		return 0, false
	}
	if len(s) == 8 {
		return at, true
	}
	hour, _ := number(s[8:10])
	minute, _ := number(s[10:12])
	second := 0
	if len(s) >= 14 {
		second, _ = number(s[12:14])
	}
	if hour > 23 || minute > 59 || second > 60 {
		return 0, false
	}
	if len(s) == 17 {
		at += fractionMicros(s[14:])
	}
	return at + clockMicros(hour, minute, second), true
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

// dateMicros returns the beginning of a day, if there is such a day.
func dateMicros(year, month, day int) (int64, bool) {
	if month < 1 || month > 12 || day < 1 {
		return 0, false
	}
	date := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	return date.UnixMicro(), date.Day() == day
}

func clockMicros(hour, minute, second int) int64 {
	return int64(hour*3600+minute*60+second) * 1e6
}

// fractionMicros returns the microseconds of the digits of a fraction of a second.
func fractionMicros(digits string) int64 {
	at := int64(0)
	for i, unit := 0, int64(1e5); i < len(digits) && unit > 0; i++ {
		at += int64(digits[i]-'0') * unit
		unit /= 10
	}
	return at
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func digitsOnly(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
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
