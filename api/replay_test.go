package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/awsclient/kinesistest"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/eventsource"
	"github.com/recflow/recflow/internal/quarantine"
)

// TestReplayFailed gives up batches with a mapping whose function always fails, and
// sends them again.
func TestReplayFailed(t *testing.T) {
	t.Parallel()
	stream := kinesistest.New("events", 2)
	h := newHarness(t)
	const path = "/stream/replay-failed"
	require.Equal(t, "no_bucket", h.Do("POST", path, nil).Problem(t).Code)
	bucket := awstest.S3(t)
	h.quarantine = &quarantine.Reader{Bucket: bucket}
	require.Equal(t, "no_stream", h.Do("POST", path, nil).Problem(t).Code)
	h.stream = stream.Client(t, "events")
	api := h.Client(h.Token)

	const sent = 70
	want := map[string]int{}
	var records []awsclient.StreamRecord
	for i := range sent {
		records = append(records, awsclient.StreamRecord{PartitionKey: fmt.Sprintf("u%d", i%7), Data: fmt.Appendf(nil, "record <%d> \x00\xff", i)})
		want[string(records[i].Data)]++
	}
	_, err := h.stream.Put(t.Context(), records)
	require.NoError(t, err)
	giveUp(t, stream, bucket, sent)
	require.NoError(t, bucket.Put(t.Context(), "aws/lambda/m/shardId-000000000000/metadata-only.json", strings.NewReader(`{"requestContext":{}}`)))

	var refuse sync.Mutex
	refused := true
	stream.OnPut(func(string, string) string {
		refuse.Lock()
		defer refuse.Unlock()
		if refused {
			return "InternalFailure"
		}
		return ""
	})
	p := h.Do("POST", path, nil)
	require.Equal(t, http.StatusServiceUnavailable, p.Status)
	require.Equal(t, "stream_unavailable", p.Problem(t).Code)
	refuse.Lock()
	refused = false
	refuse.Unlock()

	var group sync.WaitGroup
	var mu sync.Mutex
	batches, again := 0, 0
	for range 2 { // two operators at once
		group.Go(func() {
			for remaining := true; remaining; {
				r, err := api.ReplayFailed(t.Context())
				if !assert.NoError(t, err) {
					return
				}
				assert.Len(t, r.WithoutRecords, 1)
				remaining = r.Remaining
				mu.Lock()
				batches, again = batches+r.Batches, again+r.Records
				mu.Unlock()
			}
		})
	}
	group.Wait()
	require.Equal(t, sent, again, "each record is sent once")
	require.Greater(t, batches, 20, "it took several requests")

	r, err := api.ReplayFailed(t.Context())
	require.NoError(t, err)
	require.Zero(t, r.Batches, "a second replay sends nothing")
	got := map[string]int{}
	for _, record := range stream.Records("events") {
		got[string(record.Data)]++
		var n int
		_, err := fmt.Sscanf(string(record.Data), "record <%d>", &n)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("u%d", n%7), *record.PartitionKey)
	}
	for data, n := range want {
		require.Equal(t, 2*n, got[data], "in the stream, and once again")
	}
	done := 0
	for _, line := range h.Audited() {
		if strings.Contains(line, "stream.replay") && strings.Contains(line, "done") {
			done++
		}
	}
	require.Equal(t, batches, done, "every batch is in the audit")
	require.Equal(t, "missing_scope", h.DoAs(h.TokenWith("reader", apiclient.ScopeRead), "POST", path, nil).Problem(t).Code)
}

// giveUp runs a mapping until it has written this number of records to the bucket.
func giveUp(t *testing.T, stream *kinesistest.Server, bucket *awsclient.S3, records int64) {
	t.Helper()
	m, err := eventsource.New(eventsource.Options{
		Kinesis: stream, Stream: "events", BatchSize: 3, MaxRetries: eventsource.NoRetries, PollEvery: 10 * time.Millisecond,
		Function:  func(context.Context, []byte) ([]byte, string, error) { return nil, "Unhandled", nil },
		OnFailure: &eventsource.Destination{Bucket: bucket, Prefix: "aws/lambda/m"}, CheckpointDir: t.TempDir(),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	harnesstest.Eventually(t, "the mapping gives up", func() bool { return m.Status().Counts.Discarded == records })
	cancel()
	require.NoError(t, <-ended)
}
