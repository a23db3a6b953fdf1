package app

import (
	"context"
	"fmt"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// SleepUntil returns at a time, or when ctx ends.
func SleepUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// ParseTime parses a date or a timestamp, in UTC unless it has an offset.
func ParseTime(name, text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("--%s %q is not a time; use 2006-01-02 or 2006-01-02T15:04:05Z", name, text)
}

// ParseAge parses a duration, which may be in days; never is 0.
func ParseAge(text string) (time.Duration, error) {
	if text == "never" {
		return 0, nil
	}
	return recsys.ParseDuration(text)
}
