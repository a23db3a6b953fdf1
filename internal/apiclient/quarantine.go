package apiclient

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// QuarantineQuery selects quarantined records; its zero value selects those of
// today.
type QuarantineQuery struct {
	Day    time.Time // UTC day of their delivery to the bucket
	Reason string
	Oldest bool   // oldest first
	Cursor string // Next of the previous page
	Limit  int
}

// Quarantine is a page of quarantined records.
type Quarantine struct {
	Items   []QuarantineRecord `json:"items" doc:"In the requested order, each record once per page."`
	Next    string             `json:"next,omitempty" doc:"Cursor of the next page. Absent on the last page."`
	Damaged []string           `json:"damaged,omitempty" doc:"Keys of objects that could be read only in part, at most 20."`
}

// QuarantineRecord is an invalid record that is never processed.
type QuarantineRecord struct {
	QuarantineID   string    `json:"quarantine_id" doc:"Derived from the record's position in the stream; the same on every retry."`
	Object         string    `json:"object" doc:"Key of the object in the bucket that contains the record, under the day and hour of its delivery." example:"quarantine/dt=2026-01-31/hour=09/recflow-quarantine-1-2026-01-31-09-05-00-x.gz"`
	Reason         string    `json:"reason" example:"not_json"`
	Detail         string    `json:"detail" doc:"Reason as a sentence. Contains no part of the record."`
	EventID        string    `json:"event_id,omitempty" doc:"Present if it can be read."`
	RawBytes       int       `json:"raw_bytes" doc:"Size of the payload in bytes."`
	RawKey         string    `json:"raw_key,omitempty" doc:"Key of the object in the bucket with the payload, if it is large."`
	Raw            []byte    `json:"raw,omitempty" doc:"Payload of the record. Absent in a list."`
	Stream         string    `json:"stream" doc:"ARN of the stream."`
	Shard          string    `json:"shard"`
	SequenceNumber string    `json:"sequence_number"`
	SubSequence    int       `json:"sub_sequence" doc:"Position within a record of several events; 0 otherwise."`
	ArrivedAt      time.Time `json:"arrived_at,omitzero" doc:"Arrival in the stream."`
	QuarantinedAt  time.Time `json:"quarantined_at,omitzero"`
}

// Quarantine returns a page of the quarantined records of a day, without their
// payloads.
func (c *Client) Quarantine(ctx context.Context, q QuarantineQuery) (found Quarantine, err error) {
	values := page(q.Cursor, q.Limit)
	if !q.Day.IsZero() {
		values.Set("day", q.Day.UTC().Format(time.DateOnly))
	}
	if q.Reason != "" {
		values.Set("reason", q.Reason)
	}
	if q.Oldest {
		values.Set("order", "oldest")
	}
	_, err = c.Do(ctx, http.MethodGet, "/quarantine", values, nil, nil, &found)
	return found, err
}

// QuarantineRecord returns a quarantined record with its payload. If object is
// empty, all objects are searched.
func (c *Client) QuarantineRecord(ctx context.Context, object, id string) (r QuarantineRecord, err error) {
	values := url.Values{}
	if object != "" {
		values.Set("object", object)
	}
	_, err = c.Do(ctx, http.MethodGet, "/quarantine/"+segment(id), values, nil, nil, &r)
	return r, err
}
