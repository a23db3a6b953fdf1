package eventsource

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
)

// The SDK's client against kinesistest and against the local stack's emulator.

func TestMapping_reads_what_the_client_puts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.injects("iterator expired")
	f.fail("GetRecords", "ProvisionedThroughputExceededException", "InternalFailure")
	through(t, f, f.server.Client(t, streamName))
	for _, id := range f.server.Shards(streamName, true) {
		require.NoError(t, f.server.Split(streamName, id))
	}
	f.put("a/after")
	f.done(1001)
	f.server.ExpireIterators()
	f.put("a/last")
	f.done(1002)
}

func TestMapping_reads_from_the_emulator(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	env := awstest.Env(t)
	env["AWS_ENDPOINT_URL_KINESIS"] = env["AWS_ENDPOINT_URL_S3"]
	c, err := awsclient.Load(t.Context(), awsclient.OptionsFrom(env))
	require.NoError(t, err)
	k := awsclient.NewKinesis(c, fmt.Sprintf("events-%d", time.Now().UnixNano()))
	require.NoError(t, k.EnsureStream(t.Context(), 2))
	f.options.OnFailure = &Destination{Bucket: awstest.S3(t), Prefix: "failed-batches/stream"}
	through(t, f, k)
	f.stop()
	_, err = k.Put(t.Context(), []awsclient.StreamRecord{{PartitionKey: "a", Data: []byte("a/after")}})
	require.NoError(t, err)
	f.start()
	f.done(1)
	require.Equal(t, "a/after", flat(f.seen())[1000], "it continues at its checkpoint")
}

// through puts 1,000 records of ten keys and waits until each was received once and
// in order.
func through(t *testing.T, f *fixture, k *awsclient.Kinesis) {
	f.options.Kinesis, f.options.Stream = k.API(), k.Stream()
	f.options.ReportBatchItemFailures, f.options.Parallelization = true, 2
	f.options.PollEvery = 10 * time.Millisecond
	var records []awsclient.StreamRecord
	for i := range 100 {
		for key := range 10 {
			id := fmt.Sprintf("%d/%03d", key, i)
			records = append(records, awsclient.StreamRecord{PartitionKey: fmt.Sprint(key), Data: []byte(id)})
		}
	}
	f.start()
	_, err := k.Put(t.Context(), records)
	require.NoError(t, err)
	f.done(1000)
	seen := flat(f.seen())
	require.Equal(t, 1000, len(seen))
	last := map[string]string{}
	for _, id := range seen {
		require.Greater(t, id, last[key(id)])
		last[key(id)] = id
	}
}
