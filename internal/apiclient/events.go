package apiclient

import (
	"context"
	"net/http"
	"time"
)

// NewEvent is an interaction of a user with an item.
type NewEvent struct {
	EventID          string    `json:"event_id,omitempty" maxLength:"256" doc:"Identifies the event: an event that is sent again with the same id counts once. Generated if absent; then each time it is sent counts, unless the request has an Idempotency-Key." example:"8f3a-771"`
	UserID           string    `json:"user_id" minLength:"1" maxLength:"256" example:"u-17"`
	ItemID           string    `json:"item_id" minLength:"1" maxLength:"256" example:"sku-42"`
	EventType        string    `json:"event_type" minLength:"1" maxLength:"256" doc:"impression, view, click, add_to_cart, purchase, rating, or a custom type, which has the weight that the interest of the training gives it." example:"click"`
	Value            *float64  `json:"value,omitempty" doc:"Stars of a rating, or quantity of a purchase."`
	SessionID        string    `json:"session_id,omitempty" maxLength:"256"`
	RecommendationID string    `json:"recommendation_id,omitempty" maxLength:"256" doc:"The list that led to the event."`
	OccurredAt       time.Time `json:"occurred_at,omitzero" doc:"Defaults to the arrival of the event. A time before 1971 is invalid. A time more than a minute in the future is replaced by the arrival time."`
}

// Sent is the result of sending events. Events of one user keep their order.
type Sent struct {
	Accepted int         `json:"accepted" doc:"Number of events written to the stream."`
	Rejected int         `json:"rejected" doc:"Number of invalid events. Do not send them again unchanged."`
	Results  []SentEvent `json:"results" doc:"One result per event, in the same order."`
}

// SentEvent is the result of sending one event.
type SentEvent struct {
	EventID string `json:"event_id,omitempty"`
	Digest  string `json:"digest,omitempty" doc:"Content digest of an accepted event. Send it with the event_id to POST /verdicts."`
	Status  string `json:"status" enum:"accepted,rejected" doc:"accepted: written to the stream; GET /events/{id} returns its outcome. rejected: invalid."`
	Reason  string `json:"reason,omitempty" doc:"Reason code of a rejection." example:"bad_time"`
	Detail  string `json:"detail,omitempty" doc:"Reason of a rejection as a sentence."`
}

// EventOutcome is the outcome of an event in the stream.
type EventOutcome struct {
	EventID   string    `json:"event_id"`
	State     string    `json:"state" enum:"folded,ignored,quarantined,stored,unknown" doc:"folded: the event affects the user's list. ignored: stored without effect, see reason. quarantined: invalid, see reason. stored: the list is not computed yet. unknown: the event has not arrived, or its outcome was deleted after the retention."`
	Reason    string    `json:"reason,omitempty" example:"unknown_item"`
	Stage     string    `json:"stage,omitempty" doc:"Stage of the list that the event affected."`
	Version   int64     `json:"version,omitempty" doc:"Live version at that time."`
	ArrivedAt time.Time `json:"arrived_at,omitzero" doc:"Arrival in the stream."`
	StoredAt  time.Time `json:"stored_at,omitzero" doc:"Time at which it was stored in the database. Absent after the retention."`
	DecidedAt time.Time `json:"decided_at,omitzero"`
	Conflicts int       `json:"conflicts,omitempty" doc:"Number of other events with this id that were quarantined."`
}

// EventKey identifies an event by its id and content.
type EventKey struct {
	EventID string `json:"event_id" minLength:"1" maxLength:"256" example:"8f3a-771"`
	Digest  string `json:"digest" pattern:"^[0-9a-f]{32}$" doc:"Content digest that POST /events returned." example:"0f343b0931126a20f133d67c2b018a3b"`
}

// MaxEventKeys is the maximum number of events in EventKeys.
const MaxEventKeys = 2000

// EventKeys is a request for the verdicts of events.
type EventKeys struct {
	Events []EventKey `json:"events" minItems:"1" maxItems:"2000"`
}

// Verdicts is the verdicts of events.
type Verdicts struct {
	Items []Verdict `json:"items" doc:"One verdict per event, in the same order."`
}

// Verdict is the verdict of an event that is identified by its id and content.
type Verdict struct {
	EventKey
	State     string    `json:"state" enum:"folded,ignored,quarantined,unknown" doc:"As in GET /events/{id}. unknown: there is no verdict, or it was deleted after the retention."`
	Reason    string    `json:"reason,omitempty" example:"unknown_item"`
	Stage     string    `json:"stage,omitempty" doc:"Stage of the list that the event affected."`
	Version   int64     `json:"version,omitempty" doc:"Live version at that time."`
	ArrivedAt time.Time `json:"arrived_at,omitzero" doc:"Arrival in the stream."`
	DecidedAt time.Time `json:"decided_at,omitzero"`
}

// SendEvents sends at most 500 events. Events without an id count once for each
// idempotency key, or each time they are sent if it is empty.
func (c *Client) SendEvents(ctx context.Context, events []NewEvent, key string) (s Sent, err error) {
	header := http.Header{}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	_, err = c.Do(ctx, http.MethodPost, "/events", nil, header, map[string]any{"events": events}, &s)
	return s, err
}

// Event returns the outcome of an event.
func (c *Client) Event(ctx context.Context, id string) (e EventOutcome, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/events/"+segment(id), nil, nil, nil, &e)
	return e, err
}

// Verdicts returns the verdicts of at most MaxEventKeys events.
func (c *Client) Verdicts(ctx context.Context, keys []EventKey) (v Verdicts, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/verdicts", nil, nil, EventKeys{keys}, &v)
	return v, err
}
