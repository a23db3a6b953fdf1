package output

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Count formats a count for programs: 1469307.
func Count(n int64) string { return strconv.FormatInt(n, 10) }

// Thousands formats a count for display: 1,469,307.
func Thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// YesNo returns yes or no.
func YesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Percent formats a share between 0 and 1 for display: 12.3 %.
func Percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// Mark returns yes, or an empty string.
func Mark(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

// Timestamp formats a time for display, with seconds.
func Timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Wrap breaks text between words into lines of at most width bytes, where possible.
func Wrap(text string, width int) string {
	var b strings.Builder
	line := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case line+1+len(word) > width:
			b.WriteByte('\n')
			line = 0
		default:
			b.WriteByte(' ')
			line++
		}
		b.WriteString(word)
		line += len(word)
	}
	return b.String()
}

// Number formats a measured value: counts in full, shares with four digits, very
// small values with an exponent.
func Number(x float64) string {
	switch {
	case x == math.Trunc(x) && math.Abs(x) < 1e15:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case math.Abs(x) < 1e-3 || math.Abs(x) >= 1e15:
		return strconv.FormatFloat(x, 'e', 1, 64)
	default:
		return strconv.FormatFloat(x, 'f', 4, 64)
	}
}
