package main

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
	"github.com/recflow/recflow/internal/stream/streamtest"
)

// BenchmarkBatch handles batches with one event for each user, on a catalog of
// 60,000 items × 64 that is searched with the index, and reports the time of
// each step per user.
func BenchmarkBatch(b *testing.B) {
	const items, users = 60_000, 2000
	s := setup(b, &postgrestest.Fixture{Items: items, Users: users, Dimension: 64, Search: recsys.ChooseSearch(items, 64)})
	s.EvaluateShare = 0.1
	r := rand.New(rand.NewPCG(1, 1))
	n := 0
	for _, size := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("events=%d", size), func(b *testing.B) {
			s.t = b
			var sum times
			for b.Loop() {
				evs := make([]recsys.Event, size)
				for i := range evs {
					n++
					evs[i] = click(s.data.Users[(n*7)%users].ID, r.IntN(items), n)
				}
				done := s.process(b.Context(), s.batch(evs...))
				require.Empty(b, done.response().BatchItemFailures)
				sum.store += done.times.store
				sum.read += done.times.read
				sum.fold += done.times.fold
				sum.search += done.times.search
				sum.write += done.times.write
			}
			each := func(d float64) float64 { return d / 1e6 / float64(size*b.N) }
			b.ReportMetric(each(float64(sum.store)), "store-ms/event")
			b.ReportMetric(each(float64(sum.read)), "read-ms/event")
			b.ReportMetric(each(float64(sum.fold)), "fold-ms/event")
			b.ReportMetric(each(float64(sum.search)), "search-ms/event")
			b.ReportMetric(each(float64(sum.write)), "write-ms/event")
			b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkPoison alternates between batches in which one record of 50 is
// broken and batches of valid records, and reports how much longer a record
// takes.
func BenchmarkPoison(b *testing.B) {
	const items, users, size = 10_000, 2000, 500
	s := setup(b, &postgrestest.Fixture{Items: items, Users: users, Dimension: 64})
	r := rand.New(rand.NewPCG(1, 1))
	broken := streamtest.Malformed()
	var took [2]time.Duration // without and with broken records
	n := 0
	for b.Loop() {
		for poison := range took {
			raw := make([][]byte, size)
			for i := range raw {
				n++
				raw[i] = stream.EncodeEvent(click(s.data.Users[(n*7)%users].ID, r.IntN(items), n))
				if poison == 1 && i%every == every/2 {
					raw[i] = broken[n%len(broken)].Data
				}
			}
			in := s.raw(raw...)
			begin := time.Now()
			require.Empty(b, s.handle(in))
			took[poison] += time.Since(begin)
		}
	}
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "poisoned÷clean")
}
