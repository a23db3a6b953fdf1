package streams

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/recflow/recflow/internal/cli/app"
)

// mappingStatus is the status of the event source mapping of the local stack
// (internal/local/aws/eventsource).
type mappingStatus struct {
	Stream        string        `json:"stream"`
	StreamARN     string        `json:"stream_arn,omitempty"`
	State         string        `json:"state"`
	IteratorAgeMS int64         `json:"iterator_age_ms"`
	Shards        []shardStatus `json:"shards"`
	Counts        mappingCounts `json:"counts"`
	LastError     string        `json:"last_error,omitempty"`
	LastErrorAt   time.Time     `json:"last_error_at,omitzero"`
}

// shardStatus is one shard of the stream.
type shardStatus struct {
	ID            string   `json:"id"`
	Parents       []string `json:"parents,omitempty"`
	State         string   `json:"state"`
	Checkpoint    string   `json:"checkpoint,omitempty"` // sequence number
	Pending       int      `json:"pending"`              // number of records
	PendingBytes  int      `json:"pending_bytes"`
	BehindMS      int64    `json:"behind_ms"`
	IteratorAgeMS int64    `json:"iterator_age_ms"`
}

// mappingCounts are totals since the mapping was created.
type mappingCounts struct {
	Read            int64 `json:"read"` // records, including those read again after a restart
	Succeeded       int64 `json:"succeeded"`
	Discarded       int64 `json:"discarded"`
	Invocations     int64 `json:"invocations"`
	FunctionErrors  int64 `json:"function_errors"`  // invocations that failed completely
	PartialFailures int64 `json:"partial_failures"` // invocations that reported a failed record
	InvokeErrors    int64 `json:"invoke_errors"`
	Bisects         int64 `json:"bisects"`
	ReadErrors      int64 `json:"read_errors"`
	PutErrors       int64 `json:"put_errors"`
	CheckpointFails int64 `json:"checkpoint_errors"`
}

// readMapping reads the status of the local event source mapping.
func readMapping(ctx context.Context, address string) (*mappingStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, app.ConnectTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("RECFLOW_STREAM_STATUS: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the stream's mapping is unreachable; start the local stack with `recflow up`: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the stream's mapping responded with %s", resp.Status)
	}
	var s mappingStatus
	if err := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 1<<20)).Decode(&s); err != nil {
		return nil, fmt.Errorf("read the status of the stream's mapping: %w", err)
	}
	return &s, nil
}
