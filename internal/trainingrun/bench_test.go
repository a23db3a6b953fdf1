package embeddings_test

import (
	"testing"

	"github.com/recflow/recflow/internal/embeddings"
	"github.com/recflow/recflow/internal/embeddings/embeddingstest"
	"github.com/recflow/recflow/internal/recsys"
)

func BenchmarkItems(b *testing.B) {
	content, f := embeddingstest.File(b, recsys.ItemsFile, embeddingstest.Items(0, 100_000, 64))
	benchmark(b, content, f)
}

func BenchmarkUsers(b *testing.B) {
	content, f := embeddingstest.File(b, recsys.UsersFile, embeddingstest.Users(0, 50_000, 64, 10_000))
	benchmark(b, content, f)
}

func benchmark(b *testing.B, content []byte, f recsys.File) {
	b.ReportAllocs()
	for b.Loop() {
		if err := readAll(content, f, 64, func(embeddings.Batch) {}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(f.Rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
