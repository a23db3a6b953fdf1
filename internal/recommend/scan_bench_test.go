package recommend

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// BenchmarkScan searches 63,000 items × 64 in memory, with 500 items left out of
// each list, and says how much processor time a list takes, which other work on
// the machine changes less than the clock.
func BenchmarkScan(b *testing.B) {
	const items, dimension = 63_000, 64
	r := rand.New(rand.NewPCG(1, 2))
	m := &matrix{dimension: dimension, rows: map[string]int32{}}
	for i := range items {
		id := fmt.Sprintf("i%06d", i)
		m.rows[id] = int32(i)
		m.ids, m.available = append(m.ids, id), append(m.available, true)
		for range dimension {
			m.vectors = append(m.vectors, float32(r.NormFloat64()))
		}
	}
	for _, lists := range []int{1, 4, 32} {
		b.Run(fmt.Sprintf("lists=%d", lists), func(b *testing.B) {
			queries := make([]recsys.Query, lists)
			for i := range queries {
				queries[i] = recsys.Query{K: 20, Vector: m.row(r.IntN(items))}
				for range 500 {
					queries[i].Exclude = append(queries[i].Exclude, m.ids[r.IntN(items)])
				}
			}
			before := processorTime(b)
			for b.Loop() {
				if err := m.nearest(b.Context(), queries, func(int, []recsys.Hit) {}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((processorTime(b)-before).Seconds()*1000/float64(b.N*lists), "cpu-ms/list")
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
