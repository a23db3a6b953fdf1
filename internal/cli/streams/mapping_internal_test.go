package streams

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/local/aws/eventsource"
)

func TestMappingStatus_has_every_field_of_the_mapping(t *testing.T) {
	t.Parallel()
	encoded, err := json.Marshal(eventsource.Status{
		Stream: "s", StreamARN: "arn", State: "running", IteratorAgeMS: 1, LastError: "bad", LastErrorAt: time.Unix(2, 0).UTC(),
		Shards: []eventsource.ShardStatus{{
			ID: "shard", Parents: []string{"parent"}, State: "reading", Checkpoint: "3", Pending: 4, PendingBytes: 5, BehindMS: 6, IteratorAgeMS: 7,
		}},
		Counts: eventsource.Counts{
			Read: 8, Succeeded: 9, Discarded: 10, Invocations: 11, FunctionErrors: 12, PartialFailures: 13,
			InvokeErrors: 14, Bisects: 15, ReadErrors: 16, PutErrors: 17, CheckpointFails: 18,
		},
	})
	require.NoError(t, err)
	var status mappingStatus
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&status))
	again, err := json.Marshal(status)
	require.NoError(t, err)
	require.JSONEq(t, string(encoded), string(again))
}
