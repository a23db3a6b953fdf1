package eventsource

import "time"

// Status is the state of a mapping. It marshals to the JSON of /status.
type Status struct {
	Stream    string `json:"stream"`
	StreamARN string `json:"stream_arn,omitempty"`

	// State is "starting" until the stream has been found, "running", or "stopped".
	State string `json:"state"`

	// IteratorAgeMS is the age of the oldest record in any shard that is not done,
	// whether it was read or not; 0 if there is none.
	IteratorAgeMS int64 `json:"iterator_age_ms"`

	Shards []ShardStatus `json:"shards"` // sorted by ID; existing shards only
	Counts Counts        `json:"counts"`

	// LastError is the latest error of Kinesis, the function, the destination or a
	// checkpoint, and its time.
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
}

// ShardStatus is one shard.
type ShardStatus struct {
	ID      string   `json:"id"`
	Parents []string `json:"parents,omitempty"`

	// State is "waiting" (for its parents), "reading", "draining" (closed, read to
	// its end, batches under way) or "finished".
	State string `json:"state"`

	// Checkpoint is the sequence number up to which everything is done.
	Checkpoint    string `json:"checkpoint,omitempty"`
	Pending       int    `json:"pending"` // records read and not done
	PendingBytes  int    `json:"pending_bytes"`
	BehindMS      int64  `json:"behind_ms"` // of the last read, as reported by Kinesis
	IteratorAgeMS int64  `json:"iterator_age_ms"`
}

// Counts are totals since the mapping was created.
type Counts struct {
	Read            int64 `json:"read"`             // records from Kinesis, including repeated reads after a restart
	Succeeded       int64 `json:"succeeded"`        // records
	Discarded       int64 `json:"discarded"`        // discarded records, now in the destination if there is one
	Invocations     int64 `json:"invocations"`      // that reached the function
	FunctionErrors  int64 `json:"function_errors"`  // invocations that failed as a whole
	PartialFailures int64 `json:"partial_failures"` // invocations that named a record
	InvokeErrors    int64 `json:"invoke_errors"`    // the function could not be invoked
	Bisects         int64 `json:"bisects"`
	ReadErrors      int64 `json:"read_errors"` // of Kinesis, including throttling
	PutErrors       int64 `json:"put_errors"`  // of the destination
	CheckpointFails int64 `json:"checkpoint_errors"`
}
