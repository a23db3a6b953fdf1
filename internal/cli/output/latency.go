package output

import "fmt"

// Latency has the p50, p95 and p99 of durations, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	P99 float64 `json:"p99_ms"`
}

// Cells returns the three values as table cells, empty if there is no latency.
func (l *Latency) Cells() []string {
	if l == nil {
		return []string{"", "", ""}
	}
	ms := func(x float64) string { return fmt.Sprintf("%.0f", x) }
	return []string{ms(l.P50), ms(l.P95), ms(l.P99)}
}
