package recsys

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxDays is the longest duration that can be written in days: a century, well
// within the range of a time.Duration.
const maxDays = 36_500

// FormatDuration formats a duration for ParseDuration, in the largest unit of which it
// is a multiple.
func FormatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d%unit.size == 0 {
			return strconv.FormatInt(int64(d/unit.size), 10) + unit.name
		}
	}
	return d.String()
}

// ParseDuration parses a duration that is not negative: a number of days, such
// as 7d or 0.5d, or a duration that time.ParseDuration accepts, such as 36h.
func ParseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(n >= 0 && n < maxDays) {
			return 0, fmt.Errorf("%q is not a number of days from 0 to %d", text, maxDays)
		}
		return time.Duration(n * float64(24*time.Hour)), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as 7d, 36h or 90m", text)
	}
	if d < 0 {
		return 0, fmt.Errorf("duration %q is negative", text)
	}
	return d, nil
}
