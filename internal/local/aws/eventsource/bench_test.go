package eventsource

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// BenchmarkMapping passes records of 300 bytes to a function that does nothing.
func BenchmarkMapping(b *testing.B) {
	f := newFixture(b, 2)
	f.options.BatchSize, f.options.Parallelization = 100, 2
	f.options.ReportBatchItemFailures = true
	f.options.Function = func(context.Context, []byte) ([]byte, string, error) { return nil, "", nil }
	data := []byte(strings.Repeat("x", 300))
	for n := 0; n < b.N; n += 500 {
		in := &kinesis.PutRecordsInput{StreamName: aws.String(streamName)}
		for i := range 500 {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint(n + i)), Data: data})
		}
		if _, err := f.server.PutRecords(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	f.start()
	f.done(int64(b.N))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
