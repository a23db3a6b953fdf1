package apiclient

import (
	"context"
	"net/http"
	"time"
)

// NewEvent is one thing that a user did with an item.
type NewEvent struct {
	EventID          string    `json:"event_id,omitempty" maxLength:"256" doc:"Names the event: sent again, it counts once. Made up when left out, and then sending it again counts twice." example:"8f3a-771"`
	UserID           string    `json:"user_id" minLength:"1" maxLength:"256" example:"u-17"`
	ItemID           string    `json:"item_id" minLength:"1" maxLength:"256" example:"sku-42"`
	EventType        string    `json:"event_type" minLength:"1" maxLength:"256" doc:"impression, view, click, add_to_cart, purchase, rating, or a type of your own, which weighs nothing." example:"click"`
	Value            *float64  `json:"value,omitempty" doc:"A rating's stars, a purchase's quantity."`
	SessionID        string    `json:"session_id,omitempty" maxLength:"256"`
	RecommendationID string    `json:"recommendation_id,omitempty" maxLength:"256" doc:"The list that caused it."`
	OccurredAt       time.Time `json:"occurred_at,omitzero" doc:"Now when left out. More than a minute in the future it is taken to be the arrival."`
}

// Sent says what became of events: those of one user keep their order.
type Sent struct {
	Accepted int         `json:"accepted" doc:"How many are in the stream."`
	Rejected int         `json:"rejected" doc:"How many can never be taken as they are."`
	Results  []SentEvent `json:"results" doc:"One for each event, in their order."`
}

// SentEvent says what became of one event.
type SentEvent struct {
	EventID string `json:"event_id,omitempty"`
	Digest  string `json:"digest,omitempty" doc:"Of an accepted event: identifies what it says. Send it with the event_id to POST /verdicts."`
	Status  string `json:"status" enum:"accepted,rejected" doc:"accepted: it is in the stream, and GET /events/{id} tells the rest."`
	Reason  string `json:"reason,omitempty" doc:"Why it was rejected, for programs." example:"bad_time"`
	Detail  string `json:"detail,omitempty" doc:"Why it was rejected, for people."`
}

// EventOutcome says what became of an event in the stream.
type EventOutcome struct {
	EventID   string    `json:"event_id"`
	State     string    `json:"state" enum:"folded,ignored,quarantined,stored,unknown" doc:"folded: it shapes the user's list. ignored: it is kept and shapes nothing, see reason. quarantined: it can never count, see reason. stored: it is kept, and the list is not made yet. unknown: it has not arrived, or was forgotten after the retention."`
	Reason    string    `json:"reason,omitempty" example:"unknown_item"`
	Stage     string    `json:"stage,omitempty" doc:"Of the list that it shaped."`
	Version   int64     `json:"version,omitempty" doc:"That was live then."`
	ArrivedAt time.Time `json:"arrived_at,omitzero" doc:"In the stream."`
	StoredAt  time.Time `json:"stored_at,omitzero" doc:"In the database, while it is kept there."`
	DecidedAt time.Time `json:"decided_at,omitzero"`
	Conflicts int       `json:"conflicts,omitempty" doc:"How many other events with this id were quarantined."`
}

// EventKey identifies an event by its id and what it says.
type EventKey struct {
	EventID string `json:"event_id" minLength:"1" maxLength:"256" example:"8f3a-771"`
	Digest  string `json:"digest" pattern:"^[0-9a-f]{32}$" doc:"As POST /events returns it." example:"0f343b0931126a20f133d67c2b018a3b"`
}

// MaxEventKeys is how many events Verdicts asks about at most.
const MaxEventKeys = 2000

// EventKeys asks for the verdicts of events.
type EventKeys struct {
	Events []EventKey `json:"events" minItems:"1" maxItems:"2000"`
}

// Verdicts says what became of events.
type Verdicts struct {
	Items []Verdict `json:"items" doc:"One for each event, in their order."`
}

// Verdict says what became of an event that is known by its id and what it says.
type Verdict struct {
	EventKey
	State     string    `json:"state" enum:"folded,ignored,quarantined,unknown" doc:"As in GET /events/{id}. unknown: there is no verdict, or it was forgotten after the retention."`
	Reason    string    `json:"reason,omitempty" example:"unknown_item"`
	Stage     string    `json:"stage,omitempty" doc:"Of the list that it shaped."`
	Version   int64     `json:"version,omitempty" doc:"That was live then."`
	ArrivedAt time.Time `json:"arrived_at,omitzero" doc:"In the stream."`
	DecidedAt time.Time `json:"decided_at,omitzero"`
}

// SendEvents sends at most 500 events.
func (c *Client) SendEvents(ctx context.Context, events []NewEvent) (s Sent, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/events", nil, nil, map[string]any{"events": events}, &s)
	return s, err
}

// Event asks what became of an event.
func (c *Client) Event(ctx context.Context, id string) (e EventOutcome, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/events/"+segment(id), nil, nil, nil, &e)
	return e, err
}

// Verdicts asks what became of at most MaxEventKeys events.
func (c *Client) Verdicts(ctx context.Context, keys []EventKey) (v Verdicts, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/verdicts", nil, nil, EventKeys{keys}, &v)
	return v, err
}
