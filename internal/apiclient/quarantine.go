package apiclient

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// QuarantineQuery selects quarantined records; its zero value selects those of
// today.
type QuarantineQuery struct {
	Day    time.Time // UTC day of their delivery to the bucket
	Reason string
	Limit  int
}

// Quarantine lists records that the stream could not use.
type Quarantine struct {
	Items   []QuarantineRecord `json:"items" doc:"Newest first, each once."`
	More    bool               `json:"more,omitempty" doc:"There are more than limit."`
	Damaged []string           `json:"damaged,omitempty" doc:"Keys of objects in the bucket that could be read in part only, at most 20."`
}

// QuarantineRecord is a record that the stream could not use and never will.
type QuarantineRecord struct {
	QuarantineID   string    `json:"quarantine_id" doc:"Identifies the record's position in the stream; the same on every retry."`
	Day            string    `json:"day" format:"date" doc:"UTC day of its delivery to the bucket." example:"2026-01-31"`
	Reason         string    `json:"reason" example:"not_json"`
	Detail         string    `json:"detail" doc:"A sentence; never a part of the record."`
	EventID        string    `json:"event_id,omitempty" doc:"When it can be read."`
	RawBytes       int       `json:"raw_bytes" doc:"Size of the record."`
	Raw            []byte    `json:"raw,omitempty" doc:"The bytes of the record. Not in a list."`
	Stream         string    `json:"stream" doc:"ARN of the stream."`
	Shard          string    `json:"shard"`
	SequenceNumber string    `json:"sequence_number"`
	SubSequence    int       `json:"sub_sequence" doc:"Position within an aggregated record; 0 otherwise."`
	ArrivedAt      time.Time `json:"arrived_at,omitzero" doc:"In the stream."`
	QuarantinedAt  time.Time `json:"quarantined_at,omitzero"`
}

// Quarantine lists the newest quarantined records of a day, without their bytes.
func (c *Client) Quarantine(ctx context.Context, q QuarantineQuery) (found Quarantine, err error) {
	values := url.Values{}
	if !q.Day.IsZero() {
		values.Set("day", q.Day.UTC().Format(time.DateOnly))
	}
	if q.Reason != "" {
		values.Set("reason", q.Reason)
	}
	if q.Limit > 0 {
		values.Set("limit", strconv.Itoa(q.Limit))
	}
	_, err = c.Do(ctx, http.MethodGet, "/quarantine", values, nil, nil, &found)
	return found, err
}

// QuarantineRecord reads a quarantined record that was delivered on a UTC day, with
// its bytes.
func (c *Client) QuarantineRecord(ctx context.Context, day time.Time, id string) (r QuarantineRecord, err error) {
	values := url.Values{"day": {day.UTC().Format(time.DateOnly)}}
	_, err = c.Do(ctx, http.MethodGet, "/quarantine/"+segment(id), values, nil, nil, &r)
	return r, err
}
