package stream

import "time"

// Recommendation is one delivered list, a line of recommendations/dt=…/hour=…/.
// Times are UTC with microsecond precision.
type Recommendation struct {
	RecommendationID string    `json:"recommendation_id"` // recsys.RecommendationID
	UserID           string    `json:"user_id"`
	Version          int64     `json:"version"`
	ConfigHash       string    `json:"config_hash"`
	Stage            string    `json:"stage"`                       // personalized, session or popular
	EventsNotFolded  int       `json:"events_not_folded,omitempty"` // recsys.UserState.NotFolded
	Items            []Item    `json:"items"`                       // best first
	EventID          string    `json:"event_id"`                    // the user's latest event of the batch, which triggered the list
	EventOccurredAt  time.Time `json:"event_occurred_at"`
	CreatedAt        time.Time `json:"created_at"`
	LatencyMS        int64     `json:"latency_ms"` // from the arrival of the triggering event in the stream to CreatedAt
}

// Item is an item of a delivered list.
type Item struct {
	ItemID string  `json:"item_id"`
	Rank   int     `json:"rank"` // from 1
	Score  float64 `json:"score"`
	Stage  string  `json:"stage"`
}

// PayloadPrefix is the prefix of quarantined payloads that are too large for a
// delivery record. The rest of the key is the quarantine_id.
const PayloadPrefix = "quarantine-payloads/"

// Quarantined is a record that can never be processed, a line of
// quarantine/dt=…/hour=…/.
type Quarantined struct {
	QuarantineID   string    `json:"quarantine_id"`      // digest of the position; the same on every retry
	Reason         string    `json:"reason"`             // a code from record.go
	Detail         string    `json:"detail"`             // a sentence without any part of the record
	EventID        string    `json:"event_id,omitempty"` // if it can be read
	Raw            []byte    `json:"raw,omitempty"`      // payload of the user record; base64 in JSON
	RawKey         string    `json:"raw_key,omitempty"`  // object key of the payload if it is too large for a delivery record
	RawBytes       int       `json:"raw_bytes"`
	Stream         string    `json:"stream"` // ARN of the stream
	Shard          string    `json:"shard"`
	SequenceNumber string    `json:"sequence_number"`
	SubSequence    int       `json:"sub_sequence"` // position within an aggregated record; 0 otherwise
	ArrivedAt      time.Time `json:"arrived_at"`
	QuarantinedAt  time.Time `json:"quarantined_at"`
}
