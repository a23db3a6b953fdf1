package rawdata

import (
	"cmp"
	"slices"
)

// PastRun is the duration of one training and load.
type PastRun struct {
	Rows    int64 // rows read
	Minutes float64
}

// Estimate returns the minutes of the past run with the most similar number of
// rows, scaled up if there are more rows. It returns 0 without a past run.
func Estimate(past []PastRun, rows int64) float64 {
	if len(past) == 0 {
		return 0
	}
	distance := func(p PastRun) int64 { return max(p.Rows-rows, rows-p.Rows) }
	near := slices.MinFunc(past, func(a, b PastRun) int { return cmp.Compare(distance(a), distance(b)) })
	minutes := near.Minutes
	if near.Rows > 0 {
		minutes *= max(1, float64(rows)/float64(near.Rows))
	}
	return max(0, minutes)
}
