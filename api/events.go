package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

const (
	maxEvents  = 500
	eventsBody = 5 << 20 // bytes

	// putTimeout bounds the retries of events that Kinesis does not accept. The
	// events of one user are written one after the other, and each gets roundTime.
	putTimeout = 5 * time.Second
	roundTime  = 40 * time.Millisecond

	// maxSends is the number of requests that write to the stream at the same time. A
	// stream that hangs leaves room for other operations.
	maxSends = 128
)

func (s *server) eventRoutes() {
	tags := []string{"Events"}
	rest.Register(s.api, huma.Operation{OperationID: "send-events", Method: http.MethodPost, Path: "/events", Tags: tags, DefaultStatus: http.StatusAccepted,
		MaxBodyBytes: eventsBody, BodyReadTimeout: requestTimeout,
		SkipValidateBody: true, // each event is validated individually
		Summary:          "Send events to the stream",
		Description: "Each event is accepted or rejected individually. The order of a user's events is preserved. " +
			"If the stream does not accept all valid events, the response is 429 or 503 and lists the events that were not written. " +
			"Send the same request again later: events with the same event_id count once, and so do events without one in requests with the same Idempotency-Key."},
		rest.Access{Scope: apiclient.ScopeEvents, Timeout: putTimeout + maxEvents*roundTime + rest.DefaultTimeout, Slots: rest.NewSlots(maxSends, slotWait)}, s.sendEvents)
	rest.Register(s.api, huma.Operation{OperationID: "get-event", Method: http.MethodGet, Path: "/events/{id}", Tags: tags,
		Summary: "Show the outcome of an event"}, rest.Access{Scope: apiclient.ScopeEvents}, s.getEvent)
	rest.Register(s.api, huma.Operation{OperationID: "get-verdicts", Method: http.MethodPost, Path: "/verdicts", Tags: tags,
		MaxBodyBytes: eventsBody, BodyReadTimeout: requestTimeout,
		Summary: "Show the verdicts of many events",
		Description: "Read-only. Unlike GET /events/{id}, it distinguishes events with the same id by their digest. A verdict does not change: " +
			"request only the unknown ones again."},
		rest.Access{Scope: apiclient.ScopeEvents}, s.getVerdicts)
}

// newEvents is the body of a request that sends events.
type newEvents struct {
	Events []anyEvent `json:"events" minItems:"1" maxItems:"500"`
}

// anyEvent is an event that is not validated yet. An invalid event does not prevent
// the others of its request from being accepted.
type anyEvent struct{ json.RawMessage }

var newEventType = reflect.TypeFor[apiclient.NewEvent]()

// Schema returns the schema of apiclient.NewEvent.
func (anyEvent) Schema(r huma.Registry) *huma.Schema { return huma.SchemaFromType(r, newEventType) }

type sendEventsInput struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"200" doc:"Key chosen by the client. Events without an event_id get one that is derived from the key and their position, so that a request that is sent again counts once. Another event at the same position ends as a conflict."`
	Body           newEvents
}
type sendEventsOutput struct{ Body apiclient.Sent }

func (s *server) sendEvents(ctx context.Context, in *sendEventsInput) (*sendEventsOutput, error) {
	if n := len(in.Body.Events); n < 1 || n > maxEvents {
		return nil, rest.Fail(http.StatusUnprocessableEntity, "invalid_request", fmt.Sprintf("the request contains %d events", n), "send 1 to 500 events as {\"events\": […]}")
	}
	if s.stream == nil {
		return nil, rest.FailAfter(http.StatusServiceUnavailable, "no_stream", "no stream is configured", "set RECFLOW_STREAM", time.Minute)
	}
	out := &sendEventsOutput{apiclient.Sent{Results: make([]apiclient.SentEvent, len(in.Body.Events))}}
	var records []awsclient.StreamRecord
	var from []int // index of the event, for each record
	now := time.Now()
	for i, e := range in.Body.Events {
		record, result := prepareEvent(e.RawMessage, idOf(ctx, in.IdempotencyKey, i), now)
		if out.Body.Results[i] = result; result.Status == "rejected" {
			out.Body.Rejected++
			continue
		}
		records, from = append(records, record), append(from, i)
	}
	put, cancel := context.WithTimeout(ctx, putTimeout+time.Duration(rounds(records))*roundTime)
	defer cancel()
	results, err := s.stream.Put(put, records)
	if err == nil {
		out.Body.Accepted = len(records)
		return out, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, s.unwrittenEvents(ctx, out.Body, from, results, err)
}

// rounds returns the largest number of records with the same partition key.
func rounds(records []awsclient.StreamRecord) (most int) {
	of := map[string]int{}
	for _, r := range records {
		of[r.PartitionKey]++
		most = max(most, of[r.PartitionKey])
	}
	return most
}

// unwrittenEvents returns the problem that lists the events that may not be in the stream.
func (s *server) unwrittenEvents(ctx context.Context, sent apiclient.Sent, from []int, results []awsclient.PutResult, err error) error {
	var p *apiclient.Problem
	s.log.WarnContext(ctx, "stream did not accept all events", "error", err)
	if awsclient.Throttled(err) {
		p = rest.FailAfter(http.StatusTooManyRequests, "stream_throttled", "", "send the same request again later; add shards if this happens often", rest.RetrySoon)
	} else {
		p = rest.FailAfter(http.StatusServiceUnavailable, "stream_unavailable", "", "send the same request again later", rest.RetrySoon)
	}
	for n, i := range from {
		if n < len(results) && results[n].Err == nil {
			sent.Accepted++
			continue
		}
		p.Errors = append(p.Errors, apiclient.Mistake{Location: fmt.Sprintf("body.events[%d]", i), Message: "not written to the stream"})
	}
	p.Detail = fmt.Sprintf("%d events were written to the stream, %d were not, %d are invalid", sent.Accepted, len(p.Errors), sent.Rejected)
	return p
}

// prepareEvent validates an event in the same way as the stream's function, which
// gets the same bytes.
func prepareEvent(raw json.RawMessage, id string, now time.Time) (awsclient.StreamRecord, apiclient.SentEvent) {
	if complete, err := completeEvent(raw, id, now); err == nil {
		raw = complete
	}
	d := stream.Decode(stream.Record{Data: raw, ArrivedAt: now})[0]
	if d.Fault != nil {
		return awsclient.StreamRecord{}, apiclient.SentEvent{EventID: d.EventID, Status: "rejected", Reason: d.Fault.Reason, Detail: d.Fault.Detail}
	}
	return awsclient.StreamRecord{PartitionKey: d.Event.UserID, Data: raw}, apiclient.SentEvent{EventID: d.EventID, Digest: hex.EncodeToString(d.Digest[:]), Status: "accepted"}
}

// idOf returns the id of the event at a position of a request with an idempotency
// key, or "" without one. Keys are scoped to the token, not to its name, which a later
// token can have.
func idOf(ctx context.Context, key string, position int) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d", rest.PrincipalOf(ctx).ID(), key, position))
	return hex.EncodeToString(sum[:16])
}

// completeEvent adds the id and the time to an event if they are absent. Without an
// id it is a random one, so that the event is another one each time it is sent. An
// event that keeps its id must also keep its content: its time is that of its
// arrival, which the stream sets.
func completeEvent(raw json.RawMessage, id string, now time.Time) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		return raw, err
	}
	_, hasID := fields["event_id"]
	_, hasTime := fields["occurred_at"]
	if hasID && hasTime {
		return raw, nil // unchanged, even if a name occurs twice
	}
	at := stream.AtArrival
	if !hasID && id == "" {
		id, at = uuid.NewString(), now
	}
	var defaults []byte
	if !hasID {
		defaults = fmt.Appendf(defaults, `"event_id":%q,`, id)
	}
	if !hasTime {
		defaults = fmt.Appendf(defaults, `"occurred_at":%q,`, at.UTC().Format(time.RFC3339Nano))
	}
	rest := raw[1:] // after the brace; an empty object remains invalid
	for len(rest) > 0 && rest[0] != '"' && rest[0] != '}' {
		rest = rest[1:]
	}
	if rest[0] == '}' {
		return raw, nil
	}
	return append(append([]byte{'{'}, defaults...), rest...), nil
}

type getEventInput struct {
	ID string `path:"id" maxLength:"256"`
}
type getEventOutput struct{ Body apiclient.EventOutcome }

func (s *server) getEvent(ctx context.Context, in *getEventInput) (*getEventOutput, error) {
	if err := checkID("id", in.ID); err != nil {
		return nil, err
	}
	verdicts, stored, err := s.events.Outcomes(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &getEventOutput{apiclient.EventOutcome{EventID: in.ID, State: "unknown", StoredAt: stored}}
	if !stored.IsZero() {
		out.Body.State = "stored"
	}
	for i, v := range verdicts {
		if i > 0 || v.Verdict == events.QuarantinedVerdict && !stored.IsZero() {
			out.Body.Conflicts++
			continue
		}
		out.Body.State, out.Body.Reason, out.Body.Stage, out.Body.Version = v.Verdict, v.Reason, v.Stage, v.Version
		out.Body.ArrivedAt, out.Body.DecidedAt = v.ArrivedAt, v.At
	}
	return out, nil
}

type getVerdictsInput struct{ Body apiclient.EventKeys }
type getVerdictsOutput struct{ Body apiclient.Verdicts }

func (s *server) getVerdicts(ctx context.Context, in *getVerdictsInput) (*getVerdictsOutput, error) {
	keys := make([]events.VerdictKey, len(in.Body.Events))
	for i, e := range in.Body.Events {
		if err := checkID("event_id", e.EventID); err != nil {
			return nil, err
		}
		digest, err := hex.DecodeString(e.Digest)
		if err != nil || len(digest) != len(keys[i].Digest) {
			return nil, rest.Fail(http.StatusUnprocessableEntity, "invalid_request", "a digest is not 32 hexadecimal digits", "send the digest that POST /events returned")
		}
		keys[i] = events.VerdictKey{EventID: e.EventID, Digest: [16]byte(digest)}
	}
	found, err := s.events.Verdicts(ctx, keys)
	if err != nil {
		return nil, err
	}
	out := &getVerdictsOutput{apiclient.Verdicts{Items: make([]apiclient.Verdict, len(keys))}}
	for i, key := range keys {
		out.Body.Items[i] = apiclient.Verdict{EventKey: in.Body.Events[i], State: "unknown"}
		if v, ok := found[key]; ok {
			out.Body.Items[i] = verdictOf(v)
		}
	}
	return out, nil
}

// verdictOf maps a verdict to its public form.
func verdictOf(v events.Verdict) apiclient.Verdict {
	return apiclient.Verdict{
		EventKey: apiclient.EventKey{EventID: v.EventID, Digest: hex.EncodeToString(v.Digest[:])},
		State:    v.Verdict, Reason: v.Reason, Stage: v.Stage, Version: v.Version, ArrivedAt: v.ArrivedAt, DecidedAt: v.At,
	}
}

// checkID returns a problem if id is invalid.
func checkID(name, id string) error {
	if err := recsys.CheckID(name, id); err != nil {
		return rest.Fail(http.StatusUnprocessableEntity, "invalid_id", err.Error(), "use an id of 1 to 256 bytes without control characters")
	}
	return nil
}
