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
	Oldest bool   // list the oldest first
	Cursor string // the Next of the page before
	Limit  int
}

// Quarantine lists records that the stream could not use.
type Quarantine struct {
	Items   []QuarantineRecord `json:"items" doc:"In the order asked for, each once on a page."`
	Next    string             `json:"next,omitempty" doc:"The cursor of the next page; none when this is the last."`
	Damaged []string           `json:"damaged,omitempty" doc:"Keys of objects in the bucket that could be read in part only, at most 20."`
}

// QuarantineRecord is a record that the stream could not use and never will.
type QuarantineRecord struct {
	QuarantineID   string    `json:"quarantine_id" doc:"Identifies the record's position in the stream; the same on every retry."`
	Object         string    `json:"object" doc:"Key of the object in the bucket that holds it, under the day and hour of its delivery." example:"quarantine/dt=2026-01-31/hour=09/recflow-quarantine-1-2026-01-31-09-05-00-x.gz"`
	Reason         string    `json:"reason" example:"not_json"`
	Detail         string    `json:"detail" doc:"A sentence; never a part of the record."`
	EventID        string    `json:"event_id,omitempty" doc:"When it can be read."`
	RawBytes       int       `json:"raw_bytes" doc:"Size of the record."`
	RawKey         string    `json:"raw_key,omitempty" doc:"Key of the object in the bucket that holds the bytes, when they are large."`
	Raw            []byte    `json:"raw,omitempty" doc:"The bytes of the record. Not in a list."`
	Stream         string    `json:"stream" doc:"ARN of the stream."`
	Shard          string    `json:"shard"`
	SequenceNumber string    `json:"sequence_number"`
	SubSequence    int       `json:"sub_sequence" doc:"Position within an aggregated record; 0 otherwise."`
	ArrivedAt      time.Time `json:"arrived_at,omitzero" doc:"In the stream."`
	QuarantinedAt  time.Time `json:"quarantined_at,omitzero"`
}

// Quarantine lists a page of the quarantined records of a day, without their bytes.
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

// QuarantineRecord reads a quarantined record with its bytes. Without the object
// that holds it, all of them are searched.
func (c *Client) QuarantineRecord(ctx context.Context, object, id string) (r QuarantineRecord, err error) {
	values := url.Values{}
	if object != "" {
		values.Set("object", object)
	}
	_, err = c.Do(ctx, http.MethodGet, "/quarantine/"+segment(id), values, nil, nil, &r)
	return r, err
}
