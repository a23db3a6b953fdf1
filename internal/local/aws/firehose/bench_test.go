package firehose_test

import (
	"context"
	"testing"

	"github.com/recflow/recflow/internal/local/aws/firehose/firehosetest"
)

// BenchmarkPutRecordBatch: 16 callers, 10 records of 1 KiB per call, every call
// synced before its response.
func BenchmarkPutRecordBatch(b *testing.B) {
	_, c := serve(b, firehosetest.Options(b, firehosetest.NewBucket()))
	records := make([][]byte, 10)
	for i := range records {
		records[i] = append(make([]byte, 1023), '\n')
	}
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.PutRecordBatch(context.Background(), batch(records...)); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
}
