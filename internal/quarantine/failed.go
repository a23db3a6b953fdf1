package quarantine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/recflow/recflow/internal/awsclient"
)

// failedPrefix is the prefix of the batches that an event source mapping gave up. AWS
// fixes it; <mapping>/<shard>/<date>/<time>-<UUID> follows, so that the batches of a
// shard are listed in their order.
const failedPrefix = "aws/lambda/"

// maxFailed is the largest object of a batch, in bytes: an event of 6 MB as a JSON
// string, and its metadata.
const maxFailed = 16 << 20

// ErrNoPayload means that a failed batch has metadata only, or no batch of Kinesis.
var ErrNoPayload = errors.New("the failed batch has no records")

// FailedBatches yields the keys of the batches that the mapping gave up.
func (r *Reader) FailedBatches(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for o, err := range r.Bucket.List(ctx, failedPrefix) {
			if err != nil {
				yield("", fmt.Errorf("list the failed batches: %w", err))
				return
			}
			if !yield(o.Key, nil) {
				return
			}
		}
	}
}

// failedBatch is the object of a failed batch. Payload is the event of the invocation,
// as a string or as an object.
type failedBatch struct {
	Payload json.RawMessage `json:"payload"`
}

// failedEvent is the part of an event of Kinesis that is sent again.
type failedEvent struct {
	Records []struct {
		Kinesis struct {
			PartitionKey string `json:"partitionKey"`
			Data         []byte `json:"data"`
		} `json:"kinesis"`
	} `json:"Records"`
}

// FailedBatch returns the records of a failed batch, in their order, with the partition
// keys and the bytes that they had in the stream. It returns ErrNoPayload if it has none.
func (r *Reader) FailedBatch(ctx context.Context, key string) ([]awsclient.StreamRecord, error) {
	body, err := r.Bucket.Get(ctx, key, maxFailed)
	if err != nil {
		return nil, fmt.Errorf("read a failed batch: %w", err)
	}
	var b failedBatch
	if json.Unmarshal(body, &b) != nil {
		return nil, ErrNoPayload
	}
	payload := []byte(b.Payload)
	var text string
	if json.Unmarshal(payload, &text) == nil {
		payload = []byte(text)
	}
	var e failedEvent
	if json.Unmarshal(payload, &e) != nil || len(e.Records) == 0 {
		return nil, ErrNoPayload
	}
	records := make([]awsclient.StreamRecord, len(e.Records))
	for i, from := range e.Records {
		records[i] = awsclient.StreamRecord{PartitionKey: from.Kinesis.PartitionKey, Data: from.Kinesis.Data}
	}
	return records, nil
}
