package apiclient

import (
	"context"
	"net/http"
	"time"
)

// Audit is an audit entry: who requested what, and the outcome.
type Audit struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	Actor   string    `json:"actor"`              // "token:NAME", "local" or "anonymous"
	Action  string    `json:"action"`             // for example version.promote
	Target  string    `json:"target,omitempty"`   // object of the action
	Outcome string    `json:"outcome"`            // done or refused
	Code    string    `json:"code,omitempty"`     // problem code of a refusal
	Detail  string    `json:"detail,omitempty"`   // one sentence for people
	TraceID string    `json:"trace_id,omitempty"` // of the request
}

// AuditLog is a page of the audit, newest first.
type AuditLog struct {
	Items []Audit `json:"items"`
	Next  string  `json:"next,omitempty" doc:"Cursor of the next page. Absent on the last page."`
}

// AuditQuery selects entries of the audit; its zero value selects all.
type AuditQuery struct {
	Action, Actor, Outcome string
	Since                  time.Time
	Cursor                 string
	Limit                  int
}

// Audit lists a page of the audit.
func (c *Client) Audit(ctx context.Context, q AuditQuery) (log AuditLog, err error) {
	values := page(q.Cursor, q.Limit)
	for name, value := range map[string]string{"action": q.Action, "actor": q.Actor, "outcome": q.Outcome} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if !q.Since.IsZero() {
		values.Set("since", q.Since.Format(time.RFC3339))
	}
	_, err = c.Do(ctx, http.MethodGet, "/audit", values, nil, nil, &log)
	return log, err
}
