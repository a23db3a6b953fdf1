package eventsource

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"time"
)

// Conditions of a failure record. AWS documents the first by an example; the name
// of the second is an assumption.
const (
	retriesExhausted = "RetryAttemptsExhausted"
	ageExceeded      = "RecordAgeExceeded"
)

// failureRecord is the object in the on-failure bucket.
type failureRecord struct {
	RequestContext  requestContext   `json:"requestContext"`
	ResponseContext *responseContext `json:"responseContext,omitempty"` // absent if the function was never invoked
	Version         string           `json:"version"`
	Timestamp       string           `json:"timestamp"`
	BatchInfo       batchInfo        `json:"KinesisBatchInfo"`

	// Payload is the discarded event, as a string: invoking the function with it
	// processes the batch again.
	Payload string `json:"payload"`
}

type requestContext struct {
	RequestID   string `json:"requestId"`
	FunctionARN string `json:"functionArn"`
	Condition   string `json:"condition"`
	Invocations int    `json:"approximateInvokeCount"`
}

type responseContext struct {
	StatusCode      int     `json:"statusCode"`
	ExecutedVersion string  `json:"executedVersion"`
	FunctionError   *string `json:"functionError"` // null if the function named a record
}

type batchInfo struct {
	Shard     string `json:"shardId"`
	First     string `json:"startSequenceNumber"`
	Last      string `json:"endSequenceNumber"`
	FirstTime string `json:"approximateArrivalOfFirstRecord"`
	LastTime  string `json:"approximateArrivalOfLastRecord"`
	Size      int    `json:"batchSize"`
	StreamARN string `json:"streamArn"`
}

// stamp is a time in the format of failure records.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// giveUp writes records to the destination, retrying until it succeeds, and marks
// them as done. It returns false if the mapping is stopped first.
func (s *shard) giveUp(run, work context.Context, records []*entry, a attempt, condition string) bool {
	m := s.mapping
	if d := m.options.OnFailure; d != nil {
		id, now := newUUID(), time.Now().UTC()
		body := s.failureBody(records, a, condition, now)
		// The key is AWS's except for its prefix (aws/lambda/<mapping ID>) and
		// extension.
		key := path.Join(d.Prefix, s.id, now.Format("2006/01/02"), now.Format("2006-01-02T15.04.05")+"-"+id+".json")
		for tries := 1; ; tries++ {
			err := d.Bucket.Put(work, key, bytes.NewReader(body))
			if err == nil {
				break
			}
			m.count(func(c *Counts) { c.PutErrors++ })
			m.trouble("write a failed batch to its destination", err)
			if !s.pause(run, tries) {
				return false
			}
		}
	}
	m.count(func(c *Counts) { c.Discarded += int64(len(records)) })
	m.options.Log.Warn("records discarded", "shard", s.id, "records", len(records), "condition", condition,
		"invocations", a.invocations, "sequence_number", records[0].number())
	s.finish(records)
	return true
}

func (s *shard) failureBody(records []*entry, a attempt, condition string, now time.Time) []byte {
	first, last := records[0], records[len(records)-1]
	r := failureRecord{
		RequestContext: requestContext{
			RequestID: newUUID(), FunctionARN: s.mapping.options.FunctionARN,
			Condition: condition, Invocations: a.invocations,
		},
		Version: "1.0", Timestamp: stamp(now),
		BatchInfo: batchInfo{
			Shard: s.id, First: first.number(), Last: last.number(),
			FirstTime: stamp(first.arrived()), LastTime: stamp(last.arrived()),
			Size: len(records), StreamARN: s.store.identity.ARN,
		},
		Payload: string(payload(records)),
	}
	if a.invocations > 0 {
		r.ResponseContext = &responseContext{StatusCode: 200, ExecutedVersion: "$LATEST"}
		if a.functionError != "" {
			r.ResponseContext.FunctionError = &a.functionError
		}
	}
	body, _ := json.Marshal(r) // strings and numbers always marshal
	return body
}

// newUUID returns a random UUID.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}
