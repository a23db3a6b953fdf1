package trainingrun_test

import (
	"testing"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/trainingrun"
	"github.com/recflow/recflow/internal/trainingrun/trainingruntest"
)

func BenchmarkItems(b *testing.B) {
	content, f := trainingruntest.File(b, recsys.ItemsFile, trainingruntest.Items(0, 100_000, 64))
	benchmark(b, content, f)
}

func BenchmarkUsers(b *testing.B) {
	content, f := trainingruntest.File(b, recsys.UsersFile, trainingruntest.Users(0, 50_000, 64, 10_000))
	benchmark(b, content, f)
}

func benchmark(b *testing.B, content []byte, f recsys.File) {
	b.ReportAllocs()
	for b.Loop() {
		if err := readAll(content, f, 64, func(trainingrun.Batch) {}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(f.Rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
